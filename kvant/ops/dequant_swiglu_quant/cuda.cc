#include "kvant/ops/dequant_swiglu_quant/cuda.h"

#include "kvant/ops/dequant_swiglu_quant/cuda_launch.h"
#include "kvant/ops/dequant_swiglu_quant/cuda_plan.h"

namespace kvant::cuda {

Status DequantSwigluQuant(const DequantSwigluQuantArgs& args, const Exec& exec) {
  Queue queue;
  KVANT_RETURN_IF_ERROR(OpenQueue(exec, &queue));
  return swiglu::RunOn(queue, args);
}

}  // namespace kvant::cuda
