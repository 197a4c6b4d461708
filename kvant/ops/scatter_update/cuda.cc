#include "kvant/ops/scatter_update/cuda.h"

#include "kvant/ops/scatter_update/cuda_plan.h"
#include "kvant/rowwise/cuda_queue.h"

namespace kvant::cuda {

Status ScatterUpdateInPlace(const ScatterUpdateInPlaceArgs& args, const Exec& exec) {
  Queue queue;
  KVANT_RETURN_IF_ERROR(OpenQueue(exec, &queue));
  return kvant::scatter_update::RunOn(queue, args);
}

Status ScatterUpdate(const ScatterUpdateArgs& args, const Exec& exec) {
  Queue queue;
  KVANT_RETURN_IF_ERROR(OpenQueue(exec, &queue));
  return kvant::scatter_update::RunOn(queue, args);
}

}  // namespace kvant::cuda
