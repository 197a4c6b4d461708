// dynamic_quant on a queue (rowwise/cuda_run.h).
#ifndef KVANT_OPS_DYNAMIC_QUANT_CUDA_PLAN_H_
#define KVANT_OPS_DYNAMIC_QUANT_CUDA_PLAN_H_

#include "kvant/ops/dynamic_quant/rules.h"
#include "kvant/rowwise/cuda_run.h"

namespace kvant::dynamic_quant {

inline cuda::RowwiseFlags Flags(const DynamicQuantArgs& args, float d) {
  return {kOp.data(), Stage::kBoth, !args.symmetric, false, args.dst_type, d, RangeFor(args.dst_type, d)};
}

template <class Queue>
Status RunOn(Queue& queue, const DynamicQuantArgs& args) {
  float d;
  KVANT_RETURN_IF_ERROR(CheckInputs(args, &d));
  KVANT_RETURN_IF_ERROR(CheckOutputs(args, queue.device));
  return cuda::RunRowwise(queue, Flags(args, d), Inputs(args), {args.y, args.scale, args.offset});
}

}  // namespace kvant::dynamic_quant

#endif  // KVANT_OPS_DYNAMIC_QUANT_CUDA_PLAN_H_
