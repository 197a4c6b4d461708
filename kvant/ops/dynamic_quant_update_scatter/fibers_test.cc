// The kernels of the fused operator in the threads of DeviceTeam, run as fibers.
#include <gtest/gtest.h>

#include <vector>

#include "kvant/core/cuda_fault.cuh"
#include "kvant/numerics/test_util.h"
#include "kvant/ops/dynamic_quant_update_scatter/cuda_plan.h"
#include "kvant/ops/dynamic_quant_update_scatter/problem_test_util.h"
#include "kvant/testing/fiber_queue.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

TEST(FusedFibers, AnyProblem) {
  Rng rng(71);
  int taken = 0;
  for (int i = 0; i < 4000 && taken < 150; ++i) {
    FusedProblem p = RandomFused(rng, PickFrom(rng, std::vector<DType>{DType::kFloat32, DType::kFloat16}));
    const DType x = p.rows.updates.dtype();
    const bool int8 = p.format == Format::kInt8 && !p.symmetric && x == DType::kBFloat16;
    if (!int8 && !(p.format == Format::kInt4 && p.symmetric && x == DType::kFloat16)) continue;
    ++taken;
    ASSERT_TRUE(DynamicQuantUpdateScatter(p.Args()).ok());
    const Expected expected = Take(p);
    CudaFaultRecord faults;
    FiberQueue queue;
    queue.traits.sms = OneIn(rng, 2) ? 1 : 16;
    queue.faults = &faults;
    queue.deterministic = true;
    const Status status = dynamic_quant_update_scatter::RunOn(queue, p.Args());
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(Take(p), expected) << p.Describe();
    ASSERT_EQ(faults.taken, 0u) << p.Describe();
  }
  EXPECT_GT(taken, 50);
}

// K and V in pages, heads of 128, with padding; a bad slot is skipped and recorded.
TEST(FusedFibers, Pages) {
  Rng rng(72);
  for (const bool deterministic : {false, true}) {
    for (const int64_t bad : {-1, 24}) {
      PagedProblem p(Format::kInt8, DType::kBFloat16, /*heads=*/8, /*middle=*/bad, rng);
      p.k.rows.policy = IndexPolicy::kSkip;
      ASSERT_TRUE(DynamicQuantUpdateScatter(p.Args()).ok());
      const Expected k = Take(p.k), v = Take(p.v);
      p.k.rows.policy = IndexPolicy::kError;
      for (const int sms : {1, 132}) {
        CudaFaultRecord faults;
        FiberQueue queue;
        queue.traits.sms = sms;
        queue.faults = &faults;
        queue.deterministic = deterministic;
        ASSERT_TRUE(dynamic_quant_update_scatter::RunOn(queue, p.Args()).ok());
        ASSERT_EQ(queue.variants.size(), 1u);
        ASSERT_EQ(Take(p.k), k);
        ASSERT_EQ(Take(p.v), v);
        EXPECT_EQ(faults.taken, bad == 24 ? 1u : 0u);
        EXPECT_EQ(faults.fault.position, bad == 24 ? 4 : 0);
      }
    }
  }
}

}  // namespace
}  // namespace kvant
