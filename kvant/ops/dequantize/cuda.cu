#include "kvant/ops/dequantize/cuda.cuh"
#include "kvant/ops/dequantize/cuda_launch.h"
#include "kvant/rowwise/cuda_launch.cuh"

namespace kvant::cuda {

Status LaunchDequantize(Queue& queue, const dequantize::CudaFormats& p, const CudaElements& e, const CudaShape& shape) {
  return DispatchDequantize(p, e, [&](const auto& kernel) { return Launch(queue, kernel, shape); });
}

}  // namespace kvant::cuda
