#include "kvant/core/row_map.h"

namespace kvant {

int64_t RowMap::AtGeneral(int64_t index) const {
  int64_t offset = 0;
  for (int d = rank - 1; d > 0; --d) {
    offset += index % shape[d] * stride[d];
    index /= shape[d];
  }
  return offset + index * stride[0];
}

}  // namespace kvant
