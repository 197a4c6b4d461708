// NumPy's .npy format, versions 1 to 3: a magic string, a Python dictionary with dtype, order and shape, then the data.
#ifndef CLI_IO_NPY_H_
#define CLI_IO_NPY_H_

#include <string>
#include <string_view>

#include "cli/io/byte_source.h"
#include "cli/io/tensor_table.h"

namespace kvant::cli {

inline constexpr std::string_view kNpyMagic = "\x93NUMPY";

// Reads the header: one entry, named `tensor`. The data must have exactly the size that dtype and shape ask for. Fails
// with kInvalidType for a dtype outside ElementType's list, also for big-endian data and for the void types as which
// NumPy stores bfloat16 and FP8; with kInvalidValue for anything else that is wrong with the file, and for Fortran
// order where that differs from C order.
Status ReadNpy(const ByteSource& source, std::string_view tensor, TensorTable* table);

// The bytes that begin a file with this table's one entry, equal to what numpy.save writes; sets its bytes and offset.
// Fails for any other number of entries, for metadata, which .npy cannot hold, and for types that it cannot express
// (bfloat16, FP8). `file` is for messages.
Status EncodeNpy(std::string_view file, TensorTable* table, std::string* header);

}  // namespace kvant::cli

#endif  // CLI_IO_NPY_H_
