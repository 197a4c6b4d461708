// The CUDA kernels of row_minmax, row_amax and quantize_with_params, run on the host, against the formulas.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kvant/numerics/test_util.h"
#include "kvant/ops/quantize_with_params/cuda_plan.h"
#include "kvant/ops/row_stats/cuda_plan.h"
#include "kvant/testing/host_queue.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

void Expect(TestTensor& t, int64_t i, float expected, const RowwiseProblem& p, const char* what) {
  EXPECT_EQ(t.Get<uint32_t>(i), BitsOf(expected)) << what << " " << i << ": " << p.Describe();
}

TEST(PartsEmulation, AnyProblem) {
  Rng rng(61);
  const int rounds = SlowMachine() ? 200 : 1500;
  for (int i = 0; i < rounds && !::testing::Test::HasFailure(); ++i) {
    RowwiseProblem p = RandomProblem(rng, kFormats[i % 5], kFloats[i / 5 % 3],
                                     RandomShape(rng, Uniform(rng, 1, 5), OneIn(rng, 3) ? 20000 : 2000), OneIn(rng, 2));
    const RowwiseProblem::Expected expected = p.Expect();
    std::vector<uint64_t> memory(1 << 18, ~uint64_t{0});
    HostQueue queue;
    queue.workspace = memory.data();
    queue.workspace_bytes = memory.size() * 8;

    TestTensor min(DType::kFloat32, p.ParamShape(), Layout::kStrided, rng), max = min, amax = min;
    RowStatsArgs stats = p.StatsArgs();
    stats.min = min.view();
    stats.max = max.view();
    Status status = row_stats::MinMaxOn(queue, stats);
    ASSERT_TRUE(status.ok()) << status.message();
    stats.amax = amax.view();
    status = row_stats::AmaxOn(queue, stats);
    ASSERT_TRUE(status.ok()) << status.message();
    for (size_t k = 0; k < expected.statistics.size(); ++k) {
      const Statistics& s = expected.statistics[k];
      const auto at = static_cast<int64_t>(k);
      Expect(min, at, s.min, p, "min");
      Expect(max, at, s.max, p, "max");
      Expect(amax, at, s.amax, p, "amax");
    }
    EXPECT_TRUE(min.OnlyElementsWritten() && max.OnlyElementsWritten() && amax.OnlyElementsWritten());

    for (size_t k = 0; k < expected.params.size(); ++k) {
      p.scale.Set(static_cast<int64_t>(k), expected.params[k].scale);
      if (p.offset) p.offset->Set(static_cast<int64_t>(k), expected.params[k].offset);
    }
    p.y.Reset();
    status = quantize_with_params::RunOn(queue, p.QuantizeArgs());
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(p.CompareCodes(expected.codes), "") << p.Describe();
    EXPECT_TRUE(p.y.OnlyElementsWritten());
  }
}

}  // namespace
}  // namespace kvant
