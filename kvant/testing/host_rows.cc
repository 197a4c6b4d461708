#include "kvant/rowwise/cuda_dispatch.cuh"
#include "kvant/testing/host_queue.h"

namespace kvant::testing {

Status LaunchRows(HostQueue& queue, CudaStep step, RowVariant variant, const CudaRows& plan, const CudaShape& shape) {
  const auto launch = [&](const auto& kernel) { return RunOnHost(queue, kernel, shape); };
  if (step == CudaStep::kStatistics) return launch(cuda::StatisticsKernel{plan});
  return VisitFloat(plan.x_dtype,
                    [&](auto kind) { return cuda::DispatchRows<decltype(kind)>(step, variant, plan, launch); });
}

Status LaunchTwoRows(HostQueue& queue, RowVariant variant, const CudaTwoRows& plans, const CudaShape& shape) {
  const auto launch = [&](const auto& kernel) { return RunOnHost(queue, kernel, shape); };
  return VisitFloat(plans.of[0].x_dtype,
                    [&](auto kind) { return cuda::DispatchTwoRows<decltype(kind)>(variant, plans, launch); });
}

}  // namespace kvant::testing
