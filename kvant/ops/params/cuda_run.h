// params_from_amax and params_from_minmax on a queue (rowwise/cuda_run.h).
#ifndef KVANT_OPS_PARAMS_CUDA_RUN_H_
#define KVANT_OPS_PARAMS_CUDA_RUN_H_

#include "kvant/ops/params/cuda_plan.h"
#include "kvant/ops/params/rules.h"

namespace kvant::params {

template <class Queue>
Status RunOn(Queue& queue, const ParamsFromAmaxArgs& args) {
  CudaRange range;
  KVANT_RETURN_IF_ERROR(CheckDstTypeMax("params_from_amax", args.dst_type, args.dst_type_max, &range.d));
  KVANT_RETURN_IF_ERROR(
      Check("params_from_amax", {"amax", args.amax}, {{"amax", args.amax}}, {{"scale", args.scale}}, queue.device));
  const ConstTensorView none{};
  return RunElements(queue, range, none, args.amax, args.scale, none);
}

template <class Queue>
Status RunOn(Queue& queue, const ParamsFromMinMaxArgs& args) {
  CudaRange range;
  range.asymmetric = true;
  KVANT_RETURN_IF_ERROR(CheckDstTypeMax("params_from_minmax", args.dst_type, args.dst_type_max, &range.d));
  KVANT_RETURN_IF_ERROR(Check("params_from_minmax", {"min", args.min}, {{"min", args.min}, {"max", args.max}},
                              {{"scale", args.scale}, {"offset", args.offset}}, queue.device));
  range.r = RangeFor(args.dst_type, range.d);
  return RunElements(queue, range, args.min, args.max, args.scale, args.offset);
}

}  // namespace kvant::params

#endif  // KVANT_OPS_PARAMS_CUDA_RUN_H_
