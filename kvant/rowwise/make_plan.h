// From checked arguments to a plan.
#ifndef KVANT_ROWWISE_MAKE_PLAN_H_
#define KVANT_ROWWISE_MAKE_PLAN_H_

#include "kvant/rowwise/plan.h"
#include "kvant/rowwise/rules.h"

namespace kvant {

// What the operators put into a plan beside the shared inputs.
struct RowwiseOutputs {
  const ConstTensorView& codes;   // absent: statistics only
  const ConstTensorView& first;   // scale, or minimum, or largest magnitude
  const ConstTensorView& second;  // offset, or maximum; may be absent
};

// Checks the values of group_index, chooses the target, and fills everything but d, r and the flags of the stage, which
// are the caller's and already in `plan`.
Status MakeRowwisePlan(const RowwiseInputs& in, const RowwiseOutputs& out, const ExecOptions& exec, RowwisePlan* plan);

}  // namespace kvant

#endif  // KVANT_ROWWISE_MAKE_PLAN_H_
