#include "kvant/ops/quantize/cuda.h"

#include "kvant/ops/quantize/cuda_launch.h"
#include "kvant/ops/quantize/cuda_run.h"
#include "kvant/rowwise/cuda_queue.h"

namespace kvant::cuda {

Status Quantize(const QuantizeArgs& args, const Exec& exec) {
  Queue queue;
  KVANT_RETURN_IF_ERROR(OpenQueue(exec, &queue));
  return kvant::quantize::RunOn(queue, args);
}

}  // namespace kvant::cuda
