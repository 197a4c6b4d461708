// Runs CUDA kernels in the threads of DeviceTeam, as fibers, so that tests see what those of HostTeam cannot.
#ifndef KVANT_TESTING_FIBER_QUEUE_H_
#define KVANT_TESTING_FIBER_QUEUE_H_

#include <vector>

#include "kvant/rowwise/cuda_dispatch.cuh"
#include "kvant/testing/fiber_threads.h"
#include "kvant/testing/host_queue.h"

namespace kvant::testing {

// Rows of float16 to INT4, symmetric, and of bfloat16 to INT8, asymmetric: other kernels would take long to compile.
struct FiberQueue : HostQueue {
  std::vector<RowVariant> variants;
};

template <class In, Format kFormat, bool kAsymmetric>
Status LaunchOnFibers(FiberQueue& queue, CudaStep step, RowVariant variant, const CudaRows& plan,
                      const CudaShape& shape) {
  const auto launch = [&](const auto& kernel) { return RunOnFibers(kernel, shape); };
  queue.variants.push_back(variant);
  if (step == CudaStep::kMeasure) return launch(cuda::MeasureKernel<In>{plan});
  if (step == CudaStep::kEncode) return launch(cuda::EncodeKernel<In, kFormat>{plan});
  return cuda::LaunchRowKernel<In, kFormat, kAsymmetric>(variant, plan, launch);
}

inline Status LaunchRows(FiberQueue& queue, CudaStep step, RowVariant variant, const CudaRows& plan,
                         const CudaShape& shape) {
  return plan.x_dtype == DType::kFloat16
             ? LaunchOnFibers<Float16, Format::kInt4, false>(queue, step, variant, plan, shape)
             : LaunchOnFibers<BFloat16, Format::kInt8, true>(queue, step, variant, plan, shape);
}
inline Status LaunchTwoRows(FiberQueue& queue, RowVariant variant, const CudaTwoRows& plans, const CudaShape& shape) {
  const auto launch = [&](const auto& kernel) { return RunOnFibers(kernel, shape); };
  queue.variants.push_back(variant);
  return plans.of[0].x_dtype == DType::kFloat16
             ? cuda::LaunchTwoRowKernels<Float16, Format::kInt4, false>(variant, plans, launch)
             : cuda::LaunchTwoRowKernels<BFloat16, Format::kInt8, true>(variant, plans, launch);
}
inline Status LaunchColumns(FiberQueue&, CudaStep, const CudaColumns&, const CudaShape&) {
  return Status::Unavailable("columns");
}

}  // namespace kvant::testing

#endif  // KVANT_TESTING_FIBER_QUEUE_H_
