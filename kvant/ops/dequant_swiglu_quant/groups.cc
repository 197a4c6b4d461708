#include "kvant/ops/dequant_swiglu_quant/groups.h"

#include <fmt/core.h>

namespace kvant::swiglu {

Groups::Groups(const ConstTensorView& index, const Problem& problem)
    : grouping_(problem.grouping), rows_(problem.rows), parameter_rows_(problem.parameter_rows), used_(problem.rows) {
  if (grouping_ == Grouping::kNone) return;
  data_ = static_cast<const char*>(index.data());
  wide_ = index.dtype() == DType::kInt64;
  size_ = index.shape(0);
  stride_ = index.stride(0) * ByteSize(index.dtype());
  if (grouping_ == Grouping::kPairs) pair_stride_ = index.stride(1) * ByteSize(index.dtype());
}

// Ends of groups that never decrease and stay within x, which as counts are too many.
bool Groups::LooksCumulative() const {
  int64_t previous = 0;
  for (int64_t i = 0; i < size_; ++i) {
    const int64_t end = Count(i);
    if (end < previous || end > rows_) return false;
    previous = end;
  }
  return true;
}

Status Groups::Check() {
  if (grouping_ == Grouping::kNone) return {};
  const auto error = [](std::string text) { return Status::OutOfRange(fmt::format("{}: {}", kOp, text)); };
  const bool pairs = grouping_ == Grouping::kPairs;
  used_ = 0;
  for (int64_t i = 0; i < size_; ++i) {
    if (const int64_t row = pairs ? At(i, 0) : i;
        pairs && (row < 0 || (parameter_rows_ >= 0 && row >= parameter_rows_))) {
      return error(fmt::format("group_index[{}, 0] is {}, {}", i, row,
                               parameter_rows_ < 0 ? "a parameter row cannot be negative"
                                                   : fmt::format("but there are {} parameter rows", parameter_rows_)));
    }
    const int64_t count = Count(i);
    const std::string name = pairs ? fmt::format("group_index[{}, 1]", i) : fmt::format("group_index[{}]", i);
    if (count < 0) return error(fmt::format("{} is {}, a number of rows cannot be negative", name, count));
    if (count > rows_ - used_) {
      std::string text = fmt::format("{} is {}, but after the groups before it {} of the {} rows of x are left", name,
                                     count, rows_ - used_, rows_);
      if (LooksCumulative()) {
        text +=
            "; these look like cumulative end rows, row counts are wanted: counts_from_ends makes the one of the other";
      }
      return error(text);
    }
    used_ += count;
  }
  return {};
}

}  // namespace kvant::swiglu
