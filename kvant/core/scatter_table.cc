#include "kvant/core/scatter_table.h"

namespace kvant {

TensorView ScatterWindow(const TensorView& self, const ScatterGeometry& geometry) {
  int64_t shape[kMaxRank], strides[kMaxRank];
  size_t rank = 0;
  for (int d = 1; d < self.rank(); ++d) {
    if (d == geometry.axis && geometry.mode == IndexMode::kSlot) continue;
    shape[rank] = d == geometry.axis ? geometry.length : self.shape(d);
    strides[rank++] = self.stride(d);
  }
  return {self.data(), self.dtype(), std::span<const int64_t>(shape, rank), std::span<const int64_t>(strides, rank)};
}

ScatterTable::ScatterTable(const TensorView& self, const ScatterGeometry& geometry, int dropped)
    : ScatterStart{static_cast<char*>(self.data()), self.stride(0) * ByteSize(self.dtype()),
                   self.stride(geometry.axis) * ByteSize(self.dtype()),
                   self.stride(geometry.axis) * ByteSize(self.dtype()) * geometry.length} {
  inner.AppendLeading(ScatterWindow(self, geometry), dropped);
}

}  // namespace kvant
