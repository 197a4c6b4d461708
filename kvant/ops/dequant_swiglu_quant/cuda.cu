#include "kvant/ops/dequant_swiglu_quant/cuda.cuh"
#include "kvant/ops/dequant_swiglu_quant/cuda_launch.h"
#include "kvant/rowwise/cuda_launch.cuh"

namespace kvant::cuda {

Status LaunchSwiglu(Queue& queue, int held, const swiglu::CudaPlan& p, const CudaShape& shape) {
  return DispatchSwiglu(p, held, [&](const auto& kernel) { return Launch(queue, kernel, shape); });
}

}  // namespace kvant::cuda
