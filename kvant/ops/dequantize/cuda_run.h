// dequantize on a queue.
#ifndef KVANT_OPS_DEQUANTIZE_CUDA_RUN_H_
#define KVANT_OPS_DEQUANTIZE_CUDA_RUN_H_

#include "kvant/ops/dequantize/cuda_plan.h"
#include "kvant/ops/dequantize/rules.h"

namespace kvant::dequantize {

template <class Queue>
Status RunOn(Queue& queue, const DequantizeArgs& args) {
  TensorSpec spec;
  KVANT_RETURN_IF_ERROR(CheckPresent(kOp, {"x", ConstTensorView(args.x)}));
  KVANT_RETURN_IF_ERROR(CheckInputs(args, args.x.dtype(), &spec));
  KVANT_RETURN_IF_ERROR(CheckOutput(args, spec, queue.device));
  if (spec.elements() == 0) return {};
  return RunElements(queue, FormatsOf(args), ElementsOf(args));
}

}  // namespace kvant::dequantize

#endif  // KVANT_OPS_DEQUANTIZE_CUDA_RUN_H_
