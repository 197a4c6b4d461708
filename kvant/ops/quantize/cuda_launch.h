// The kernels of quantize that can be launched on a CUDA stream.
#ifndef KVANT_OPS_QUANTIZE_CUDA_LAUNCH_H_
#define KVANT_OPS_QUANTIZE_CUDA_LAUNCH_H_

#include "kvant/ops/quantize/cuda_plan.h"
#include "kvant/rowwise/cuda_queue.h"

namespace kvant::cuda {

Status LaunchQuantize(Queue& queue, const quantize::CudaParameters& p, const CudaElements& e, const CudaShape& shape);

}  // namespace kvant::cuda

#endif  // KVANT_OPS_QUANTIZE_CUDA_LAUNCH_H_
