#include "kvant/ops/dynamic_quant/cuda.h"

#include "kvant/ops/dynamic_quant/cuda_plan.h"
#include "kvant/rowwise/cuda_queue.h"

namespace kvant::cuda {

Status DynamicQuant(const DynamicQuantArgs& args, const Exec& exec) {
  Queue queue;
  KVANT_RETURN_IF_ERROR(OpenQueue(exec, &queue));
  return dynamic_quant::RunOn(queue, args);
}

int64_t DynamicQuantWorkspace(const DynamicQuantArgs& args) {
  float d;
  if (!dynamic_quant::CheckInputs(args, &d).ok()) return 0;
  const ConstTensorView none{};
  return RowwiseWorkspace(dynamic_quant::Flags(args, d), dynamic_quant::Inputs(args), {none, none, none});
}

}  // namespace kvant::cuda
