// Groups of consecutive rows (the tokens of one expert), given as cumulative end rows.
#ifndef KVANT_CORE_ROW_GROUPS_H_
#define KVANT_CORE_ROW_GROUPS_H_

#include <cstdint>
#include <string_view>

#include "kvant/core/index_fault.h"
#include "kvant/core/macros.h"
#include "kvant/core/status.h"
#include "kvant/core/tensor.h"

namespace kvant {

// Group i has the rows from end(i - 1), or 0, up to but without end(i); equal neighbours make an empty group. Refers to
// the caller's memory.
class RowGroups {
 public:
  RowGroups() = default;
  // `ends`: int32 or int64, one dimension, any stride; an absent tensor is no groups.
  explicit RowGroups(const ConstTensorView& ends) : data_(ends.data()), wide_(ends.dtype() == DType::kInt64) {
    if (!ends.present()) return;
    size_ = ends.shape(0);
    stride_ = ends.stride(0);
  }

  KVANT_HOST_DEVICE int64_t size() const { return size_; }

  KVANT_HOST_DEVICE int64_t end(int64_t i) const {
    return wide_ ? static_cast<const int64_t*>(data_)[i * stride_] : static_cast<const int32_t*>(data_)[i * stride_];
  }

  // The first group whose end is greater than row; size() when there is none. Needs ends that Check accepts.
  KVANT_HOST_DEVICE int64_t GroupOf(int64_t row) const {
    int64_t first = 0, count = size_;
    while (count > 0) {
      const int64_t half = count / 2;
      if (end(first + half) > row) {
        count = half;
      } else {
        first += half + 1;
        count -= half + 1;
      }
    }
    return first;
  }

  // What is wrong with end i of groups that have to end at `rows`; kNone if nothing is.
  KVANT_HOST_DEVICE IndexFault FaultAt(int64_t i, int64_t rows) const {
    const int64_t value = end(i), previous = i == 0 ? 0 : end(i - 1);
    if (value < 0 || value > rows) return {FaultKind::kEndOutside, i, value, 0, rows};
    if (value < previous) return {FaultKind::kEndDecreases, i, value, previous, rows};
    if (i == size_ - 1 && value != rows) return {FaultKind::kEndsShort, i, value, 0, rows};
    return {};
  }
  // The same of having none.
  KVANT_HOST_DEVICE IndexFault FaultOfNone(int64_t rows) const {
    if (size_ != 0 || rows == 0) return {};
    return {FaultKind::kEndsEmpty, 0, 0, 0, rows};
  }

  // kOutOfRange unless the ends never decrease, lie within [0, rows] and end at rows. Names the first offender.
  Status Check(std::string_view op, int64_t rows) const {
    IndexFault fault = FaultOfNone(rows);
    for (int64_t i = 0; i < size_ && fault.kind == FaultKind::kNone; ++i) fault = FaultAt(i, rows);
    return Describe(op, fault);
  }

 private:
  const void* data_ = nullptr;
  int64_t size_ = 0;
  int64_t stride_ = 0;
  bool wide_ = false;
};

}  // namespace kvant

#endif  // KVANT_CORE_ROW_GROUPS_H_
