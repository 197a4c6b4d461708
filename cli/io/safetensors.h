// The safetensors format: eight bytes of header length (little-endian), a JSON header, then the tensors' bytes.
#ifndef CLI_IO_SAFETENSORS_H_
#define CLI_IO_SAFETENSORS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "cli/io/byte_source.h"
#include "cli/io/tensor_table.h"

namespace kvant::cli {

// The reference implementation's limit. A header is only read, and memory only allocated for it, within this limit and
// within the file.
inline constexpr int64_t kMaxSafetensorsHeader = 100'000'000;

// Reads the header. Entries come out in the order of their data, which they cover exactly, without overlap or hole.
// Every file that this accepts is accepted by the reference implementation, which besides takes headers that begin with
// white space, names and metadata keys given twice, entries written as arrays, and shapes that SetBytes refuses.
// Unknown members of an entry are ignored by both. Fails with kInvalidType for an unknown dtype, with kInvalidValue for
// anything else that is wrong with the file.
Status ReadSafetensors(const ByteSource& source, TensorTable* table);

// The bytes that begin a file with this table, `header`, padded with spaces to a multiple of 8 bytes; sets bytes and
// offset of every entry, whose order stays. Tensors are laid out by element type, the widest first, then by name, which
// makes the file equal, byte by byte, to what the reference implementation writes. `file` is for messages.
Status EncodeSafetensors(std::string_view file, TensorTable* table, std::string* header);

}  // namespace kvant::cli

#endif  // CLI_IO_SAFETENSORS_H_
