// scatter_update on a device against the definition.
#include "kvant/ops/scatter_update/cuda.h"

#include <vector>

#include "kvant/testing/cuda_test_util.h"
#include "kvant/testing/scatter_problem.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

class ScatterUpdateCuda : public CudaTest {};

void ExpectRight(ScatterProblem& p, Rng& rng) {
  const std::vector<uint8_t> expected = p.Expected(p.self.Bytes(), p.updates.Bytes());
  cuda::Exec exec;
  exec.deterministic = true;
  TestTensor out(p.self.dtype(), p.self.shape(), Layout::kStrided, rng);
  {
    OnDevice device;
    const ScatterUpdateArgs args{device(p.self), device(p.indices), device(p.updates), p.axis,
                                 p.mode,         p.policy,          device(out)};
    const Status status = cuda::ScatterUpdate(args, exec);
    ASSERT_TRUE(status.ok()) << status.message();
    device.Fetch();
  }
  ASSERT_EQ(out.Bytes(), expected) << p.Describe();
  ASSERT_TRUE(out.OnlyElementsWritten() && p.self.Untouched());
  OnDevice device;
  const ScatterUpdateInPlaceArgs args{device(p.self), device(p.indices), device(p.updates), p.axis, p.mode, p.policy};
  const Status status = cuda::ScatterUpdateInPlace(args, exec);
  ASSERT_TRUE(status.ok()) << status.message();
  device.Fetch();
  ASSERT_EQ(p.self.Bytes(), expected) << p.Describe();
  ASSERT_TRUE(p.self.OnlyElementsWritten() && p.updates.Untouched() && p.indices.Untouched());
}

TEST_F(ScatterUpdateCuda, EveryRankAxisAndMode) {
  Rng rng(131);
  const std::vector<DType> dtypes = {DType::kInt8, DType::kFloat16, DType::kInt32, DType::kInt64};
  for (size_t rank = 2; rank <= 6; ++rank) {
    for (size_t axis = 1; axis < rank; ++axis) {
      for (const IndexMode mode : kIndexModes) {
        for (int round = 0; round < 15; ++round) {
          const DType dtype = PickFrom(rng, dtypes);
          ScatterProblem p = RandomScatter(mode, rank, axis, dtype, dtype, {}, rng);
          ExpectRight(p, rng);
          if (HasFailure()) return;
        }
      }
    }
  }
}

// Thousands of updates of few places: the last one of each stays, again and again.
TEST_F(ScatterUpdateCuda, OfDuplicatesTheLastWins) {
  Rng rng(132);
  for (int round = 0; round < 5; ++round) {
    ScatterProblem p;
    p.mode = IndexMode::kPair;
    p.axis = 1;
    p.self = TestTensor(DType::kInt8, {6, 10, 64}, rng);
    p.updates = TestTensor(DType::kInt8, {3000, 3, 64}, rng);
    p.indices = TestTensor(DType::kInt32, {3000, 2}, rng);
    FillIndices(p, rng);
    ExpectRight(p, rng);
  }
}

// More than 65,535 updates.
TEST_F(ScatterUpdateCuda, ManyUpdates) {
  Rng rng(133);
  const int64_t n = 200000;
  ScatterProblem p;
  p.mode = IndexMode::kSlot;
  p.axis = 1;
  p.self = TestTensor(DType::kInt8, {n / 8, 16, 16}, rng);
  p.updates = TestTensor(DType::kInt8, {n, 16}, rng);
  p.indices = TestTensor(DType::kInt32, {n}, rng);
  for (int64_t i = 0; i < n; ++i) p.SetIndex(i, i * 7919 % (2 * n));
  p.indices.Keep();
  const std::vector<uint8_t> expected = p.Expected(p.self.Bytes(), p.updates.Bytes());
  OnDevice device;
  const ScatterUpdateInPlaceArgs args{device(p.self), device(p.indices), device(p.updates), p.axis, p.mode, p.policy};
  ASSERT_TRUE(cuda::ScatterUpdateInPlace(args).ok());
  device.Fetch();
  EXPECT_EQ(p.self.Bytes(), expected);
}

}  // namespace
}  // namespace kvant
