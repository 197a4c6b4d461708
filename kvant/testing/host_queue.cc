#include "kvant/testing/host_queue.h"

#include "kvant/rowwise/cuda_dispatch.cuh"
#include "kvant/rowwise/cuda_grid.cuh"

namespace kvant::testing {

Status LaunchColumns(HostQueue& queue, CudaStep step, const CudaColumns& plan, const CudaShape& shape) {
  const auto launch = [&](const auto& kernel) { return RunOnHost(queue, kernel, shape); };
  if (step == CudaStep::kColumnStatistics) return launch(cuda::ColumnStatisticsKernel{plan});
  return VisitFloat(plan.x_dtype, [&](auto kind) { return cuda::DispatchColumns<decltype(kind)>(step, plan, launch); });
}

Status LaunchCopy(HostQueue& queue, int word, const CudaElements& e, const CudaShape& shape) {
  return cuda::DispatchCopy(word, e, [&](const auto& kernel) { return RunOnHost(queue, kernel, shape); });
}

}  // namespace kvant::testing
