// Where scattered updates are written: addresses in a destination.
#ifndef KVANT_CORE_SCATTER_TABLE_H_
#define KVANT_CORE_SCATTER_TABLE_H_

#include "kvant/core/row_map.h"
#include "kvant/core/scatter_index.h"

namespace kvant {

// updates[0], which is there if there is an update at all.
inline ConstTensorView FirstUpdate(const ConstTensorView& updates) {
  return {updates.data(), updates.dtype(), updates.shape().subspan(1), updates.strides().subspan(1)};
}

// The elements of self that an update with the place {0, 0} is written to, shaped like FirstUpdate: the dimensions of
// self but the first, with `length` positions of the axis, or, in slot mode, without the axis.
TensorView ScatterWindow(const TensorView& self, const ScatterGeometry& geometry);

// Where an update begins, at each place.
struct ScatterStart {
  char* data = nullptr;
  int64_t first_stride = 0;  // bytes
  int64_t axis_stride = 0;
  int64_t step = 0;  // from an update to one that follows it along the axis

  char* At(const ScatterPlace& place) const { return data + place.first * first_stride + place.start * axis_stride; }
};

// A destination as rows: the last `dropped` dimensions of an update make a row, the others count them, row-major.
struct ScatterTable : ScatterStart {
  RowMap inner;

  ScatterTable() = default;
  ScatterTable(const TensorView& self, const ScatterGeometry& geometry, int dropped);

  // Row j of an update at `place`.
  char* At(const ScatterPlace& place, int64_t j = 0) const { return ScatterStart::At(place) + inner.At(j); }
};

}  // namespace kvant

#endif  // KVANT_CORE_SCATTER_TABLE_H_
