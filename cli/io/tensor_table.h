// What a tensor file holds: the list of its tensors and its metadata, whatever the format.
#ifndef CLI_IO_TENSOR_TABLE_H_
#define CLI_IO_TENSOR_TABLE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/io/element_type.h"
#include "kvant/core/status.h"

namespace kvant::cli {

// The largest rank of a tensor in a file, NumPy's own limit. (Operators take kvant::kMaxRank dimensions.)
inline constexpr size_t kMaxFileRank = 64;

// A tensor in a file: row-major, little-endian, without gaps. Writers are given name, type and shape and fill in the
// rest.
struct TensorEntry {
  std::string name;
  ElementType type = ElementType::kF32;
  std::vector<int64_t> shape;
  int64_t bytes = 0;
  int64_t offset = 0;  // of its first byte, from the start of the file

  bool operator==(const TensorEntry&) const = default;
};

using Metadata = std::map<std::string, std::string, std::less<>>;

struct TensorTable {
  std::vector<TensorEntry> entries;
  Metadata metadata;  // always empty for .npy
};

// Sets `entry->bytes` from its type and shape. Fails, with a message that begins "`file`: tensor '...': ", if the rank
// exceeds kMaxFileRank, a dimension is negative, the size does not fit in 63 bits (counted without the dimensions that
// are 0, so that strides fit too), or a type of less than a byte does not fill its last byte.
Status SetBytes(std::string_view file, TensorEntry* entry);

}  // namespace kvant::cli

#endif  // CLI_IO_TENSOR_TABLE_H_
