// The CUDA kernels of scatter_update, run on the host, against the definition.
#include <gtest/gtest.h>

#include <vector>

#include "kvant/core/cuda_fault.cuh"
#include "kvant/ops/scatter_update/cuda_plan.h"
#include "kvant/testing/host_queue.h"
#include "kvant/testing/scatter_problem.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

const std::vector<DType> kDTypes = {DType::kInt8, DType::kFloat16, DType::kInt32, DType::kInt64};

void ExpectRight(ScatterProblem& p, Rng& rng) {
  HostQueue queue;
  CudaFaultRecord faults;
  queue.faults = &faults;
  queue.deterministic = true;
  const std::vector<uint8_t> expected = p.Expected(p.self.Bytes(), p.updates.Bytes());
  TestTensor out(p.self.dtype(), p.self.shape(), Layout::kStrided, rng);
  const ScatterUpdateArgs functional{p.self.view(), p.indices.view(), p.updates.view(), p.axis,
                                     p.mode,        p.policy,         out.view()};
  const Status first = scatter_update::RunOn(queue, functional);
  ASSERT_TRUE(first.ok()) << first.message();
  ASSERT_EQ(out.Bytes(), expected) << p.Describe();
  EXPECT_TRUE(out.OnlyElementsWritten() && p.self.Untouched());
  const ScatterUpdateInPlaceArgs in_place{p.self.view(), p.indices.view(), p.updates.view(), p.axis, p.mode, p.policy};
  const Status second = scatter_update::RunOn(queue, in_place);
  ASSERT_TRUE(second.ok()) << second.message();
  ASSERT_EQ(p.self.Bytes(), expected) << p.Describe();
  EXPECT_TRUE(p.self.OnlyElementsWritten() && p.updates.Untouched() && p.indices.Untouched());
  EXPECT_EQ(faults.taken, 0u) << p.Describe();
}

TEST(ScatterUpdateEmulation, EveryRankAxisAndMode) {
  Rng rng(31);
  for (size_t rank = 2; rank <= 6; ++rank) {
    for (size_t axis = 1; axis < rank; ++axis) {
      for (const IndexMode mode : kIndexModes) {
        for (int round = 0; round < 20; ++round) {
          const DType dtype = PickFrom(rng, kDTypes);
          ScatterProblem p = RandomScatter(mode, rank, axis, dtype, dtype, {}, rng);
          ExpectRight(p, rng);
          if (HasFailure()) return;
        }
      }
    }
  }
}

// Many updates of few places, of several positions each: the last one of each position stays.
TEST(ScatterUpdateEmulation, OfDuplicatesTheLastWins) {
  Rng rng(32);
  for (const int64_t length : {1, 3}) {
    for (const int axis : {1, 2}) {
      ScatterProblem p;
      p.mode = IndexMode::kPair;
      p.axis = axis;
      p.self = TestTensor(DType::kInt8, {4, 8, 8}, rng);
      Shape updates = {60, 8, 8};
      updates[static_cast<size_t>(axis)] = length;
      p.updates = TestTensor(DType::kInt8, updates, rng);
      p.indices = TestTensor(DType::kInt32, {60, 2}, rng);
      FillIndices(p, rng);
      ExpectRight(p, rng);
    }
  }
}

TEST(ScatterUpdateEmulation, WordsAreAsWideAsTheyCanBe) {
  Rng rng(33);
  TestTensor self(DType::kFloat16, {4, 8, 64}, rng), updates(DType::kFloat16, {4, 2, 64}, rng);
  CudaElements e = scatter_update::CopyPlan(self.view(), self.view());
  e.grid.Normalize(false);
  e.data[0] = e.data[1] = nullptr;  // aligned to everything
  EXPECT_EQ(scatter_update::Widen(2, &e), 16);
  EXPECT_EQ(e.grid.columns(), 4 * 8 * 64 / 8);
}

TEST(ScatterUpdateEmulation, BadIndicesAreRecorded) {
  Rng rng(34);
  ScatterProblem p;
  p.mode = IndexMode::kSlot;
  p.self = TestTensor(DType::kInt8, {2, 4, 16}, rng);
  p.updates = TestTensor(DType::kInt8, {3, 16}, rng);
  p.indices = TestTensor(DType::kInt64, {3}, rng);
  for (int64_t i = 0; i < 3; ++i) p.indices.Set<int64_t>(i, i == 1 ? 8 : i);
  p.indices.Keep();
  const std::vector<uint8_t> expected = p.Expected(p.self.Bytes(), p.updates.Bytes());
  HostQueue queue;
  CudaFaultRecord faults;
  queue.faults = &faults;
  const ScatterUpdateInPlaceArgs args{p.self.view(), p.indices.view(), p.updates.view(), p.axis, p.mode, p.policy};
  ASSERT_TRUE(scatter_update::RunOn(queue, args).ok());
  EXPECT_EQ(p.self.Bytes(), expected);
  ASSERT_EQ(faults.taken, 1u);
  EXPECT_EQ(Describe(faults.op, faults.fault).message(),
            "scatter_update_: indices[1] is 8, expected 0 to 7, or -1 for padding");
}

}  // namespace
}  // namespace kvant
