// Where rows lie: offsets of the leading dimensions of a tensor.
#ifndef KVANT_CORE_ROW_MAP_H_
#define KVANT_CORE_ROW_MAP_H_

#include <cstdint>

#include "kvant/core/macros.h"
#include "kvant/core/tensor.h"

namespace kvant {

// From an index over leading dimensions, row-major, to a byte offset. Dimensions that can be walked as one are one.
struct RowMap {
  int rank = 0;
  int64_t shape[kMaxRank];
  int64_t stride[kMaxRank];  // bytes

  RowMap() {}  // NOLINT(modernize-use-equals-default): keeps {} from clearing the unused extents
  RowMap(const RowMap& o) { *this = o; }
  RowMap& operator=(const RowMap& o) {
    rank = o.rank;
    CopyExtents(rank, o.shape, shape);
    CopyExtents(rank, o.stride, stride);
    return *this;
  }

  // Adds a dimension inside the ones before it.
  void Append(int64_t extent, int64_t bytes) {
    if (extent == 1) return;
    if (rank > 0 && stride[rank - 1] == bytes * extent) {  // continues the dimension before it
      shape[rank - 1] *= extent;
      stride[rank - 1] = bytes;
    } else {
      shape[rank] = extent;
      stride[rank++] = bytes;
    }
  }
  // The dimensions of t but some at the end.
  void AppendLeading(const ConstTensorView& t, int dropped) {
    for (int d = 0; d < t.rank() - dropped; ++d) Append(t.shape(d), t.stride(d) * ByteSize(t.dtype()));
  }

  KVANT_HOST_DEVICE int64_t At(int64_t index) const {
    return rank <= 1 ? (rank == 0 ? 0 : index * stride[0]) : AtGeneral(index);
  }
  // Whether consecutive indices are always the same number of bytes apart, and how many.
  bool regular() const { return rank <= 1; }
  int64_t step() const { return rank == 0 ? 0 : stride[0]; }

 private:
  KVANT_HOST_DEVICE int64_t AtGeneral(int64_t index) const {
    int64_t offset = 0;
    for (int d = rank - 1; d > 0; --d) {
      offset += index % shape[d] * stride[d];
      index /= shape[d];
    }
    return offset + index * stride[0];
  }
};

}  // namespace kvant

#endif  // KVANT_CORE_ROW_MAP_H_
