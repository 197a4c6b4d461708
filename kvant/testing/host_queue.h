// Runs CUDA kernels on the host, a thread after the other, so that their logic is tested without a device.
#ifndef KVANT_TESTING_HOST_QUEUE_H_
#define KVANT_TESTING_HOST_QUEUE_H_

#include <cstddef>

#include "kvant/core/tensor.h"
#include "kvant/numerics/fp_env.h"
#include "kvant/rowwise/cuda_grid.h"
#include "kvant/rowwise/cuda_run.h"
#include "kvant/rowwise/cuda_team.cuh"

namespace kvant::testing {

struct HostQueue {
  Device device = Device::kCpu;
  CudaTraits traits;
  CudaFaultRecord* faults = nullptr;
  void* workspace = nullptr;
  size_t workspace_bytes = 0;
  bool deterministic = false;
  int64_t launches = 0;
};

// Teams one after the other, the last one first: their order does not matter.
template <class Kernel>
Status RunOnHost(HostQueue& queue, const Kernel& kernel, const CudaShape& shape) {
  const FpEnv env(FpEnv::kDefault);
  ++queue.launches;
  for (int64_t i = shape.teams(); i-- > 0;) {
    HostTeam team(shape, i);
    kernel(team);
  }
  return {};
}

// Compiled once, in host_queue.cc and host_rows.cc.
Status LaunchRows(HostQueue& queue, CudaStep step, RowVariant variant, const CudaRows& plan, const CudaShape& shape);
Status LaunchTwoRows(HostQueue& queue, RowVariant variant, const CudaTwoRows& plans, const CudaShape& shape);
Status LaunchColumns(HostQueue& queue, CudaStep step, const CudaColumns& plan, const CudaShape& shape);
Status LaunchCopy(HostQueue& queue, int word, const CudaElements& e, const CudaShape& shape);

}  // namespace kvant::testing

#endif  // KVANT_TESTING_HOST_QUEUE_H_
