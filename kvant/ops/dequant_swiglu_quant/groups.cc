#include "kvant/ops/dequant_swiglu_quant/groups.h"

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
  used_ = 0;
  for (int64_t i = 0; i < size_; ++i) {
    const IndexFault fault = FaultAt(i, rows_ - used_);
    if (fault.kind == FaultKind::kNone) {
      used_ += Count(i);
      continue;
    }
    Status status = Describe(kOp, fault);
    const bool too_large = fault.kind == FaultKind::kCountTooLarge || fault.kind == FaultKind::kPairCountTooLarge;
    if (!too_large || !LooksCumulative()) return status;
    return Status::OutOfRange(
        status.message() +
        "; these look like cumulative end rows, row counts are wanted: counts_from_ends makes the one of the other");
  }
  return {};
}

}  // namespace kvant::swiglu
