// The CUDA kernels of dequantize_gather, run on the host, against dequantize of the whole cache.
#include <gtest/gtest.h>

#include <vector>

#include "kvant/core/cuda_fault.cuh"
#include "kvant/numerics/test_util.h"
#include "kvant/ops/dequantize_gather/cuda_plan.h"
#include "kvant/ops/dequantize_gather/problem_test_util.h"
#include "kvant/testing/host_elements.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

TEST(DequantizeGatherEmulation, AnyProblem) {
  Rng rng(43);
  const int rounds = SlowMachine() ? 200 : 2000;
  for (int round = 0; round < rounds; ++round) {
    GatherProblem p = RandomGather(rng);
    const std::vector<uint8_t> expected = p.Expected();
    HostQueue queue;
    CudaFaultRecord faults;
    queue.faults = &faults;
    p.rows.updates.Reset();
    const Status status = dequantize_gather::RunOn(queue, p.Args());
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(p.rows.updates.Bytes(), expected) << p.rows.Describe();
    ASSERT_TRUE(p.rows.updates.OnlyElementsWritten());
    ASSERT_EQ(faults.taken, 0u);
  }
}

// Under kError a bad index reads zeros and is recorded.
TEST(DequantizeGatherEmulation, BadIndicesAreRecorded) {
  Rng rng(44);
  GatherProblem p;
  p.rows.mode = IndexMode::kSlot;
  p.rows.axis = 1;
  p.rows.self = TestTensor(DType::kInt8, {2, 4, 16}, rng);
  p.rows.updates = TestTensor(DType::kFloat32, {2, 16}, rng);
  p.rows.indices = TestTensor(DType::kInt64, {2}, rng);
  p.rows.indices.Set<int64_t>(0, 3);
  p.rows.indices.Set<int64_t>(1, -9);
  p.scale = TestTensor(DType::kFloat32, {2, 4}, rng);
  p.scale.SetFloats(std::vector<float>(8, 0.5f));
  p.has_offset = p.negate = false;
  const std::vector<uint8_t> expected = p.Expected();
  HostQueue queue;
  CudaFaultRecord faults;
  queue.faults = &faults;
  ASSERT_TRUE(dequantize_gather::RunOn(queue, p.Args()).ok());
  EXPECT_EQ(p.rows.updates.Bytes(), expected);
  ASSERT_EQ(faults.taken, 1u);
  EXPECT_EQ(Describe(faults.op, faults.fault).message(),
            "dequantize_gather: indices[1] is -9, expected 0 to 7, or -1 for padding");
}

}  // namespace
}  // namespace kvant
