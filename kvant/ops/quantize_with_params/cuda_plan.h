// quantize_with_params on a queue (rowwise/cuda_run.h).
#ifndef KVANT_OPS_QUANTIZE_WITH_PARAMS_CUDA_PLAN_H_
#define KVANT_OPS_QUANTIZE_WITH_PARAMS_CUDA_PLAN_H_

#include "kvant/ops/quantize_with_params/rules.h"
#include "kvant/rowwise/cuda_run.h"

namespace kvant::quantize_with_params {

template <class Queue>
Status RunOn(Queue& queue, const QuantizeWithParamsArgs& args) {
  KVANT_RETURN_IF_ERROR(CheckInputs(args));
  KVANT_RETURN_IF_ERROR(CheckOutputs(args, queue.device));
  const float d = Info(args.dst_type).d;
  return cuda::RunRowwise(
      queue, {kOp.data(), Stage::kEncode, args.offset.present(), false, args.dst_type, d, RangeFor(args.dst_type, d)},
      Inputs(args), {args.y, args.scale, args.offset});
}

}  // namespace kvant::quantize_with_params

#endif  // KVANT_OPS_QUANTIZE_WITH_PARAMS_CUDA_PLAN_H_
