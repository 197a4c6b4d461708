#include "kvant/ops/params/cuda.h"

#include "kvant/ops/params/cuda_launch.h"
#include "kvant/ops/params/cuda_run.h"

namespace kvant::cuda {

Status ParamsFromAmax(const ParamsFromAmaxArgs& args, const Exec& exec) {
  Queue queue;
  KVANT_RETURN_IF_ERROR(OpenQueue(exec, &queue));
  return params::RunOn(queue, args);
}

Status ParamsFromMinMax(const ParamsFromMinMaxArgs& args, const Exec& exec) {
  Queue queue;
  KVANT_RETURN_IF_ERROR(OpenQueue(exec, &queue));
  return params::RunOn(queue, args);
}

}  // namespace kvant::cuda
