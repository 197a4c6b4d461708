// quantize on a queue.
#ifndef KVANT_OPS_QUANTIZE_CUDA_RUN_H_
#define KVANT_OPS_QUANTIZE_CUDA_RUN_H_

#include "kvant/ops/quantize/cuda_plan.h"
#include "kvant/ops/quantize/rules.h"

namespace kvant::quantize {

template <class Queue>
Status RunOn(Queue& queue, const QuantizeArgs& args) {
  KVANT_RETURN_IF_ERROR(CheckInputs(args));
  KVANT_RETURN_IF_ERROR(CheckOutput(args, queue.device));
  if (args.x.elements() == 0) return {};
  CudaElements e = ElementsOf(args);
  e.grid = MakeGrid(args);
  return RunElements(queue, ParametersOf(args), e);
}

}  // namespace kvant::quantize

#endif  // KVANT_OPS_QUANTIZE_CUDA_RUN_H_
