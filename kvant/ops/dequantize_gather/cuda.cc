#include "kvant/ops/dequantize_gather/cuda.h"

#include "kvant/ops/dequantize/cuda_launch.h"
#include "kvant/ops/dequantize_gather/cuda_plan.h"
#include "kvant/rowwise/cuda_queue.h"

namespace kvant::cuda {

Status DequantizeGather(const DequantizeGatherArgs& args, const Exec& exec) {
  Queue queue;
  KVANT_RETURN_IF_ERROR(OpenQueue(exec, &queue));
  return kvant::dequantize_gather::RunOn(queue, args);
}

}  // namespace kvant::cuda
