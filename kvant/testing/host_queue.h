// Runs CUDA kernels on the host, a thread after the other, so that their logic is tested without a device.
#ifndef KVANT_TESTING_HOST_QUEUE_H_
#define KVANT_TESTING_HOST_QUEUE_H_

#include <cstddef>

#include "kvant/core/tensor.h"
#include "kvant/numerics/fp_env.h"
#include "kvant/rowwise/cuda_dispatch.cuh"
#include "kvant/rowwise/cuda_grid.cuh"

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

inline Status LaunchRows(HostQueue& queue, CudaStep step, int vectors, const CudaRows& plan, const CudaShape& shape) {
  const auto launch = [&](const auto& kernel) { return RunOnHost(queue, kernel, shape); };
  if (step == CudaStep::kStatistics) return launch(cuda::StatisticsKernel{plan});
  return VisitFloat(plan.x_dtype,
                    [&](auto kind) { return cuda::DispatchRows<decltype(kind)>(step, vectors, plan, launch); });
}

inline Status LaunchColumns(HostQueue& queue, CudaStep step, const CudaColumns& plan, const CudaShape& shape) {
  const auto launch = [&](const auto& kernel) { return RunOnHost(queue, kernel, shape); };
  if (step == CudaStep::kColumnStatistics) return launch(cuda::ColumnStatisticsKernel{plan});
  return VisitFloat(plan.x_dtype, [&](auto kind) { return cuda::DispatchColumns<decltype(kind)>(step, plan, launch); });
}

inline Status LaunchCopy(HostQueue& queue, int word, const CudaElements& e, const CudaShape& shape) {
  return cuda::DispatchCopy(word, e, [&](const auto& kernel) { return RunOnHost(queue, kernel, shape); });
}

}  // namespace kvant::testing

#endif  // KVANT_TESTING_HOST_QUEUE_H_
