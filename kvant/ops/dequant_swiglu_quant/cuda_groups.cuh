// The groups of dequant_swiglu_quant as a team meets them, whose rows ascend.
#ifndef KVANT_OPS_DEQUANT_SWIGLU_QUANT_CUDA_GROUPS_CUH_
#define KVANT_OPS_DEQUANT_SWIGLU_QUANT_CUDA_GROUPS_CUH_

#include "kvant/ops/dequant_swiglu_quant/groups.h"

namespace kvant::cuda {

class GroupWalk {
 public:
  // `groups` outlives the walk.
  KVANT_INLINE GroupWalk(const swiglu::Groups& groups, int64_t rows) : groups_(groups), rows_(rows) {
    if (!groups.none()) Enter(0, 0);
  }

  // To rows that ascend; INT64_MAX looks at all groups.
  KVANT_INLINE void AdvanceTo(int64_t row) {
    if (groups_.none()) return;
    while (!stopped_ && row >= end_) Enter(group_ + 1, end_);
  }

  // Of the row it is at; -1: none, because its group is illegal, or all groups are before it.
  KVANT_INLINE int64_t parameter_row() const { return groups_.none() ? 0 : parameter_row_; }
  // The first illegal group that was met; kNone if there was none.
  KVANT_INLINE const IndexFault& fault() const { return fault_; }

 private:
  // Group `group`, which begins at row `first`.
  KVANT_INLINE void Enter(int64_t group, int64_t first) {
    group_ = group;
    parameter_row_ = -1;
    stopped_ = group >= groups_.size();
    if (stopped_) return;
    const IndexFault fault = groups_.FaultAt(group, rows_ - first);
    if (fault_.kind == FaultKind::kNone) fault_ = fault;
    // An illegal parameter row is its own group's matter; after an illegal count nobody knows where groups begin.
    const int64_t count = groups_.Count(group);
    stopped_ = count < 0 || count > rows_ - first;
    if (stopped_) return;
    end_ = first + count;
    if (fault.kind == FaultKind::kNone) parameter_row_ = groups_.ParameterRow(group);
  }

  const swiglu::Groups& groups_;
  const int64_t rows_;
  int64_t group_ = 0, end_ = 0;
  int64_t parameter_row_ = -1;
  bool stopped_ = false;
  IndexFault fault_;
};

}  // namespace kvant::cuda

#endif  // KVANT_OPS_DEQUANT_SWIGLU_QUANT_CUDA_GROUPS_CUH_
