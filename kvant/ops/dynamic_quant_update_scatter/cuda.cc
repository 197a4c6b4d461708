#include "kvant/ops/dynamic_quant_update_scatter/cuda.h"

#include "kvant/ops/dynamic_quant_update_scatter/cuda_plan.h"
#include "kvant/rowwise/cuda_queue.h"

namespace kvant::cuda {

Status DynamicQuantUpdateScatter(const DynamicQuantUpdateScatterArgs& args, const Exec& exec) {
  Queue queue;
  KVANT_RETURN_IF_ERROR(OpenQueue(exec, &queue));
  return dynamic_quant_update_scatter::RunOn(queue, args);
}

}  // namespace kvant::cuda
