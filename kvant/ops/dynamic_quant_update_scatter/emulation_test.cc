// The CUDA kernels of the fused operator, run on the host, against the CPU operator, byte by byte.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kvant/core/cuda_fault.cuh"
#include "kvant/numerics/test_util.h"
#include "kvant/ops/dynamic_quant_update_scatter/cuda_plan.h"
#include "kvant/ops/dynamic_quant_update_scatter/problem_test_util.h"
#include "kvant/testing/host_queue.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

TEST(FusedEmulation, AnyProblem) {
  Rng rng(21);
  const std::vector<DType> tables = {DType::kFloat32, DType::kFloat16, DType::kBFloat16};
  const int rounds = SlowMachine() ? 200 : 2000;
  for (int i = 0; i < rounds; ++i) {
    FusedProblem p = RandomFused(rng, tables[static_cast<size_t>(i) % 3]);
    ASSERT_TRUE(DynamicQuantUpdateScatter(p.Args()).ok());
    const Expected expected = Take(p);
    CudaFaultRecord faults;
    HostQueue queue;
    queue.traits = {PickFrom(rng, std::vector<int>{1, 132}), OneIn(rng, 2) ? 90 : 80};
    queue.faults = &faults;
    queue.deterministic = true;
    const Status status = dynamic_quant_update_scatter::RunOn(queue, p.Args());
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(Take(p), expected) << p.Describe();
    ASSERT_EQ(faults.taken, 0u) << p.Describe();
  }
}

// Aligned rows in caches of pages, K and V, distinct places: what a decoder does.
TEST(FusedEmulation, PagedCaches) {
  Rng rng(22);
  for (const Format format : {Format::kInt8, Format::kInt4}) {
    for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat32}) {
      PagedProblem p(format, dtype, /*heads=*/2, /*middle=*/-1, rng);
      ASSERT_TRUE(DynamicQuantUpdateScatter(p.Args()).ok());
      const Expected k = Take(p.k), v = Take(p.v);
      for (const int sms : {1, 132}) {
        HostQueue queue;
        queue.traits.sms = sms;
        ASSERT_TRUE(dynamic_quant_update_scatter::RunOn(queue, p.Args()).ok());
        EXPECT_EQ(queue.launches, 1);
        EXPECT_EQ(Take(p.k), k);
        EXPECT_EQ(Take(p.v), v);
      }
    }
  }
}

// Under kError a bad update is skipped and recorded; the others are written.
TEST(FusedEmulation, BadIndicesAreRecorded) {
  Rng rng(23);
  for (const bool aligned : {true, false}) {
    FusedProblem p;
    const int64_t dim = aligned ? 64 : 63;
    p.rows.mode = IndexMode::kPair;
    p.rows.self = TestTensor(DType::kInt8, {3, 5, dim}, rng);
    p.rows.axis = 1;
    p.rows.updates = TestTensor(DType::kFloat16, {3, 2, dim}, rng);
    p.rows.indices = TestTensor(DType::kInt32, {3, 2}, rng);
    const std::vector<int32_t> indices = {0, 3, 2, 4, 1, 0};
    for (size_t i = 0; i < indices.size(); ++i) p.rows.indices.Set(static_cast<int64_t>(i), indices[i]);
    p.rows.indices.Keep();
    p.scale = TestTensor(DType::kFloat32, {3, 5}, rng);
    p.offset = TestTensor(DType::kFloat32, {3, 5}, rng);
    p.rows.policy = IndexPolicy::kSkip;
    ASSERT_TRUE(DynamicQuantUpdateScatter(p.Args()).ok());
    const Expected expected = Take(p);
    p.rows.policy = IndexPolicy::kError;
    CudaFaultRecord faults;
    HostQueue queue;
    queue.faults = &faults;
    ASSERT_TRUE(dynamic_quant_update_scatter::RunOn(queue, p.Args()).ok());
    EXPECT_EQ(Take(p), expected);
    ASSERT_EQ(faults.taken, 1u);
    // The CPU operator says the same.
    EXPECT_EQ(Describe(faults.op, faults.fault).message(), DynamicQuantUpdateScatter(p.Args()).message());
    EXPECT_EQ(Describe(faults.op, faults.fault).message(),
              "dynamic_quant_update_scatter_: indices[1, 1] is 4, expected 0 to 3, or -1 for padding");
  }
}

}  // namespace
}  // namespace kvant
