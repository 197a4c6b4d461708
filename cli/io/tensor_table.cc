#include "cli/io/tensor_table.h"

#include <limits>

#include "cli/io/message.h"

namespace kvant::cli {

Status SetBytes(std::string_view file, TensorEntry* entry) {
  if (entry->shape.size() > kMaxFileRank) {
    return TensorError(file, entry->name, "shape has more than {} dimensions", kMaxFileRank);
  }
  int64_t bits = Info(entry->type).bits;
  bool empty = false;
  for (const int64_t extent : entry->shape) {
    if (extent < 0) return TensorError(file, entry->name, "shape {} has a negative dimension", ShapeText(entry->shape));
    empty |= extent == 0;
    if (extent != 0 && __builtin_mul_overflow(bits, extent, &bits)) {
      return TensorError(file, entry->name, "shape {} of {} needs more than {} bits", ShapeText(entry->shape),
                         Name(entry->type), std::numeric_limits<int64_t>::max());
    }
  }
  if (empty) bits = 0;
  if (bits % 8 != 0) {
    return TensorError(file, entry->name, "shape {} of {} needs {} bits, which is not a whole number of bytes",
                       ShapeText(entry->shape), Name(entry->type), bits);
  }
  entry->bytes = bits / 8;
  return {};
}

}  // namespace kvant::cli
