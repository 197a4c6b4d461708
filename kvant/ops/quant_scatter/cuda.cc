#include "kvant/ops/quant_scatter/cuda.h"

#include "kvant/ops/quant_scatter/cuda_plan.h"
#include "kvant/ops/quantize/cuda_launch.h"
#include "kvant/rowwise/cuda_queue.h"

namespace kvant::cuda {

Status QuantScatterInPlace(const QuantScatterInPlaceArgs& args, const Exec& exec) {
  Queue queue;
  KVANT_RETURN_IF_ERROR(OpenQueue(exec, &queue));
  return kvant::quant_scatter::RunOn(queue, args);
}

Status QuantScatter(const QuantScatterArgs& args, const Exec& exec) {
  Queue queue;
  KVANT_RETURN_IF_ERROR(OpenQueue(exec, &queue));
  return kvant::quant_scatter::RunOn(queue, args);
}

}  // namespace kvant::cuda
