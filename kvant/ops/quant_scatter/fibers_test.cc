// The elementwise kernels in the threads of DeviceTeam, run as fibers.
#include <gtest/gtest.h>

#include <vector>

#include "kvant/core/cuda_fault.cuh"
#include "kvant/numerics/test_util.h"
#include "kvant/ops/quant_scatter/cuda_plan.h"
#include "kvant/ops/quant_scatter/problem_test_util.h"
#include "kvant/ops/quantize/cuda.cuh"
#include "kvant/rowwise/cuda_grid.cuh"
#include "kvant/testing/fiber_queue.h"

namespace kvant {
namespace testing {

inline Status LaunchQuantize(FiberQueue&, const quantize::CudaParameters& p, const CudaElements& e,
                             const CudaShape& shape) {
  return cuda::DispatchGrid(e, cuda::QuantizeOp<BFloat16, Format::kInt8, false>{{}, p},
                            [&](const auto& kernel) { return RunOnFibers(kernel, shape); });
}

}  // namespace testing

namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

TEST(QuantScatterFibers, AnyProblem) {
  Rng rng(81);
  for (size_t rank = 3; rank <= 5; ++rank) {
    for (const IndexMode mode : kIndexModes) {
      for (int round = 0; round < 25; ++round) {
        QuantScatterProblem p;
        const bool odd = OneIn(rng, 3);
        static_cast<ScatterProblem&>(p) =
            RandomScatter(mode, rank, 1, DType::kInt8, DType::kBFloat16, {10, 300, odd}, rng);
        FillAttributes(p, odd, rng);
        const std::vector<uint8_t> expected = p.Unfused(rng);
        FiberQueue queue;
        CudaFaultRecord faults;
        queue.traits.sms = OneIn(rng, 2) ? 1 : 132;
        queue.faults = &faults;
        queue.deterministic = mode != IndexMode::kBatch;
        p.self.Reset();
        const Status status = quant_scatter::RunOn(queue, p.InPlaceArgs());
        ASSERT_TRUE(status.ok()) << status.message();
        ASSERT_EQ(p.self.Bytes(), expected) << p.What();
        ASSERT_TRUE(p.self.OnlyElementsWritten() && p.InputsUntouched()) << p.What();
        ASSERT_EQ(faults.taken, 0u) << p.What();
      }
    }
  }
}

}  // namespace
}  // namespace kvant
