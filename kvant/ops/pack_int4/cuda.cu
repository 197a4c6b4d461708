#include "kvant/ops/pack_int4/cuda.cuh"
#include "kvant/ops/pack_int4/cuda_launch.h"
#include "kvant/rowwise/cuda_launch.cuh"

namespace kvant::cuda {

Status LaunchPackInt4(Queue& queue, bool packs, const CudaElements& e, const CudaShape& shape) {
  return DispatchPackInt4(packs, e, [&](const auto& kernel) { return Launch(queue, kernel, shape); });
}

}  // namespace kvant::cuda
