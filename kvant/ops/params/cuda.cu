#include "kvant/ops/params/cuda.cuh"
#include "kvant/ops/params/cuda_launch.h"
#include "kvant/rowwise/cuda_launch.cuh"

namespace kvant::cuda {

Status LaunchParams(Queue& queue, const params::CudaRange& range, const CudaElements& e, const CudaShape& shape) {
  return Launch(queue, GridKernel<ParamsOp, false>(e, {{}, range}), shape);
}

}  // namespace kvant::cuda
