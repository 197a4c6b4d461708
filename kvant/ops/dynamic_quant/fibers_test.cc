// The kernels of whole rows in the threads of DeviceTeam, run as fibers: what tests of HostTeam cannot see.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "kvant/core/cuda_fault.cuh"
#include "kvant/numerics/test_util.h"
#include "kvant/ops/dynamic_quant/cuda_plan.h"
#include "kvant/testing/fiber_queue.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

std::string Check(RowwiseProblem& p, FiberQueue& queue) {
  const RowwiseProblem::Expected expected = p.Expect();
  std::vector<uint64_t> memory(1 << 16);
  queue.workspace = memory.data();
  queue.workspace_bytes = memory.size() * 8;
  p.Reset();
  const Status status = dynamic_quant::RunOn(queue, p.DynamicArgs());
  if (!status.ok()) return p.Describe() + ": " + status.message();
  if (std::string text = p.Compare(expected); !text.empty()) return p.Describe() + ": " + text;
  return p.NothingElseWritten() ? "" : p.Describe() + ": more than the results was written";
}

RowwiseProblem Rows(Rng& rng, bool half, int64_t rows, int64_t n, bool grouped) {
  RowwiseProblem p = RandomProblem(rng, half ? Format::kInt4 : Format::kInt8, half ? DType::kFloat16 : DType::kBFloat16,
                                   {rows, n}, /*odd=*/false);
  p.mode = QuantMode::kPerToken;
  p.symmetric = half;
  p.group_size = 0;
  p.smooth.reset();
  p.group_index.reset();
  if (grouped) {
    p.smooth.emplace(DType::kFloat32, Shape{3, n}, rng);
    FillSmooth(*p.smooth, rng);
    p.group_index = TestTensor(DType::kInt64, {3}, rng);
    for (int64_t g = 0; g < 3; ++g) p.group_index->Set<int64_t>(g, g == 2 ? rows : Uniform(rng, 0, rows / 2) * g);
    p.group_index->Keep();
  }
  p.MakeOutputs(rng);
  FillX(p, rng);
  return p;
}

// Teams of 1 to 32 lanes, of a block and of clusters, with one row in hand and with four.
TEST(DynamicQuantFibers, EveryTeam) {
  Rng rng(61);
  FiberQueue queue;
  CudaFaultRecord faults;
  queue.faults = &faults;
  for (const int64_t n :
       {8, 16, 24, 32, 64, 128, 248, 256, 264, 520, 1024, 1040, 2056, 4096, 8200, 16384, 40000, 65536}) {
    for (const int64_t rows : {1, 3, 37}) {
      for (const int sms : {1, 132}) {
        if (rows * n > 200000 && sms == 132) continue;
        queue.traits.sms = sms;
        RowwiseProblem p = Rows(rng, OneIn(rng, 2), rows, n, OneIn(rng, 4));
        ASSERT_EQ(Check(p, queue), "") << sms;
      }
    }
  }
  EXPECT_EQ(faults.taken, 0u);
  for (const RowVariant v : {RowVariant::kWide, RowVariant::kThree, RowVariant::kDeep, RowVariant::kShort}) {
    EXPECT_NE(std::find(queue.variants.begin(), queue.variants.end(), v), queue.variants.end());
  }
}

// Rows in two launches, and layouts of no words.
TEST(DynamicQuantFibers, AnyRows) {
  Rng rng(62);
  FiberQueue queue;
  queue.traits.sms = 4;
  for (int i = 0; i < 60; ++i) {
    const bool half = OneIn(rng, 2);
    RowwiseProblem p = RandomProblem(rng, half ? Format::kInt4 : Format::kInt8,
                                     half ? DType::kFloat16 : DType::kBFloat16, RandomShape(rng, 3, 3000), true);
    if (p.mode == QuantMode::kPerChannel || p.symmetric != half) continue;
    CudaFaultRecord faults;
    queue.faults = &faults;
    ASSERT_EQ(Check(p, queue), "");
  }
}

}  // namespace
}  // namespace kvant
