// Groups of consecutive rows (the tokens of one expert), given as cumulative end rows.
#ifndef KVANT_CORE_ROW_GROUPS_H_
#define KVANT_CORE_ROW_GROUPS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "kvant/core/status.h"
#include "kvant/core/tensor.h"

namespace kvant {

// Group i has the rows from end(i - 1), or 0, up to but without end(i); equal neighbours make an empty group. Refers to
// the caller's memory.
class RowGroups {
 public:
  // `ends`: int32 or int64, one dimension, any stride; an absent tensor is no groups.
  explicit RowGroups(const ConstTensorView& ends) : data_(ends.data()), wide_(ends.dtype() == DType::kInt64) {
    if (!ends.present()) return;
    size_ = ends.shape(0);
    stride_ = ends.stride(0);
  }

  int64_t size() const { return size_; }

  int64_t end(int64_t i) const {
    return wide_ ? static_cast<const int64_t*>(data_)[i * stride_] : static_cast<const int32_t*>(data_)[i * stride_];
  }

  // The first group whose end is greater than row; size() when there is none. Needs ends that Check accepts.
  int64_t GroupOf(int64_t row) const {
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

  // kOutOfRange unless the ends never decrease, lie within [0, rows] and end at rows. Names the first offender.
  Status Check(std::string_view op, int64_t rows) const {
    const auto error = [op](const std::string& text) {
      return Status::OutOfRange(std::string(op).append(": group_index").append(text));
    };
    const auto at = [](int64_t i) { return '[' + std::to_string(i) + ']'; };
    const auto x_has = [rows] { return ", but x has " + std::to_string(rows) + (rows == 1 ? " row" : " rows"); };
    int64_t previous = 0;
    for (int64_t i = 0; i < size_; ++i) {
      const int64_t value = end(i);
      if (value < 0 || value > rows) {
        return error(at(i) + " is " + std::to_string(value) + ", outside the 0.." + std::to_string(rows) +
                     " rows of x");
      }
      if (value < previous) {
        return error(at(i) + " is " + std::to_string(value) + ", but group_index" + at(i - 1) + " is " +
                     std::to_string(previous) + ": cumulative end rows cannot decrease");
      }
      previous = value;
    }
    if (size_ == 0 && rows != 0) return error(" is empty" + x_has());
    if (previous != rows) return error(" ends at " + std::to_string(previous) + x_has());
    return {};
  }

 private:
  const void* data_;
  int64_t size_ = 0;
  int64_t stride_ = 0;
  bool wide_;
};

}  // namespace kvant

#endif  // KVANT_CORE_ROW_GROUPS_H_
