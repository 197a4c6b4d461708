// Launches of kernels that are written over a team.
#ifndef KVANT_ROWWISE_CUDA_LAUNCH_CUH_
#define KVANT_ROWWISE_CUDA_LAUNCH_CUH_

#include <cuda_runtime.h>

#include <string>

#include "kvant/rowwise/cuda_queue.h"
#include "kvant/rowwise/cuda_thread.cuh"

namespace kvant::cuda {

inline Status StatusOf(cudaError_t error) {
  if (error == cudaSuccess) return {};
  return Status::Unavailable(std::string("kvant: CUDA: ") + cudaGetErrorString(error));
}

template <class Kernel>
Status Launch(const Queue& queue, const Kernel& kernel, const CudaShape& shape) {
  static_assert(sizeof(Kernel) + sizeof(CudaShape) <= 4096, "more parameters than every driver takes");
  cudaLaunchAttribute cluster{};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim.x = static_cast<unsigned>(shape.cluster);
  cluster.val.clusterDim.y = cluster.val.clusterDim.z = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(shape.blocks));
  config.blockDim = dim3(static_cast<unsigned>(shape.threads));
  config.stream = queue.stream;
  config.attrs = &cluster;
  config.numAttrs = shape.cluster > 1 ? 1 : 0;
  return StatusOf(cudaLaunchKernelEx(&config, RunKernel<Kernel>, kernel, shape));
}

}  // namespace kvant::cuda

#endif  // KVANT_ROWWISE_CUDA_LAUNCH_CUH_
