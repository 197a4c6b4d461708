#include "kvant/ops/quantize_with_params/cuda.h"

#include "kvant/ops/quantize_with_params/cuda_plan.h"
#include "kvant/rowwise/cuda_queue.h"

namespace kvant::cuda {

Status QuantizeWithParams(const QuantizeWithParamsArgs& args, const Exec& exec) {
  Queue queue;
  KVANT_RETURN_IF_ERROR(OpenQueue(exec, &queue));
  return quantize_with_params::RunOn(queue, args);
}

}  // namespace kvant::cuda
