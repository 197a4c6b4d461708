// The kernels of dequantize that can be launched on a CUDA stream.
#ifndef KVANT_OPS_DEQUANTIZE_CUDA_LAUNCH_H_
#define KVANT_OPS_DEQUANTIZE_CUDA_LAUNCH_H_

#include "kvant/ops/dequantize/cuda_plan.h"
#include "kvant/rowwise/cuda_queue.h"

namespace kvant::cuda {

Status LaunchDequantize(Queue& queue, const dequantize::CudaFormats& p, const CudaElements& e, const CudaShape& shape);

}  // namespace kvant::cuda

#endif  // KVANT_OPS_DEQUANTIZE_CUDA_LAUNCH_H_
