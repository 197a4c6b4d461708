#include "kvant/ops/dequantize/cuda.h"

#include "kvant/ops/dequantize/cuda_launch.h"
#include "kvant/ops/dequantize/cuda_run.h"
#include "kvant/rowwise/cuda_queue.h"

namespace kvant::cuda {

Status Dequantize(const DequantizeArgs& args, const Exec& exec) {
  Queue queue;
  KVANT_RETURN_IF_ERROR(OpenQueue(exec, &queue));
  return kvant::dequantize::RunOn(queue, args);
}

}  // namespace kvant::cuda
