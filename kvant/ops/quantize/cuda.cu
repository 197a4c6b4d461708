#include "kvant/ops/quantize/cuda.cuh"
#include "kvant/ops/quantize/cuda_launch.h"
#include "kvant/rowwise/cuda_launch.cuh"

namespace kvant::cuda {

Status LaunchQuantize(Queue& queue, const quantize::CudaParameters& p, const CudaElements& e, const CudaShape& shape) {
  return DispatchQuantize(p, e, [&](const auto& kernel) { return Launch(queue, kernel, shape); });
}

}  // namespace kvant::cuda
