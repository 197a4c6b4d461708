#include "kvant/ops/row_stats/row_stats.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <string>
#include <vector>

#include "kvant/numerics/test_util.h"
#include "kvant/testing/fp_state.h"
#include "kvant/testing/pools.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace {

using testing::kFloats;
using testing::Layout;
using testing::OneIn;
using testing::PickFrom;
using testing::Rng;
using testing::RowwiseProblem;
using testing::ScopedTarget;
using testing::Shape;
using testing::Statistics;
using testing::TestTensor;
using testing::ThreadPool;
using testing::Uniform;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// A problem's statistics by the operators, and what is wrong with them; "" when nothing is.
struct Stats {
  TestTensor min, max, amax;

  Stats(const RowwiseProblem& p, Layout layout, Rng& rng)
      : min(DType::kFloat32, p.ParamShape(), layout, rng),
        max(DType::kFloat32, p.ParamShape(), layout, rng),
        amax(DType::kFloat32, p.ParamShape(), layout, rng) {}

  Status Run(RowwiseProblem& p, const ExecOptions& exec) {
    for (TestTensor* t : {&min, &max, &amax}) t->Reset();
    RowStatsArgs args = p.StatsArgs();
    args.min = min.view();
    args.max = max.view();
    KVANT_RETURN_IF_ERROR(RowMinMax(args, exec));
    args.min = args.max = {};
    args.amax = amax.view();
    return RowAmax(args, exec);
  }

  std::string Compare(RowwiseProblem& p, const std::vector<Statistics>& expected) {
    for (size_t i = 0; i < expected.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      std::string text = p.CompareBits("min", at, min.Get<uint32_t>(at), expected[i].min);
      text += p.CompareBits("max", at, max.Get<uint32_t>(at), expected[i].max);
      text += p.CompareBits("amax", at, amax.Get<uint32_t>(at), expected[i].amax);
      if (!text.empty()) return text;
    }
    for (TestTensor* t : {&min, &max, &amax}) {
      if (!t->OnlyElementsWritten()) return p.Describe() + ": more than the results was written";
    }
    return p.InputsUntouched() ? "" : p.Describe() + ": an input was written";
  }

  std::string Check(RowwiseProblem& p, const std::vector<Statistics>& expected, const ExecOptions& exec = {}) {
    for (const Target target : SupportedTargets()) {
      const ScopedTarget scoped(target);
      const Status status = Run(p, exec);
      const std::string text = status.ok() ? Compare(p, expected) : status.message();
      if (!text.empty()) return std::string(Name(target)) + ": " + text;
    }
    return "";
  }
};

TEST(RowStats, AnyProblem) {
  Rng rng(1);
  const ThreadPool two(2), three(3), seven(7);
  const testing::ReversePool reverse(5);
  const std::vector<const ParallelFor*> pools = {&SerialFor(), two.get(), three.get(), seven.get(), reverse.get()};
  const int rounds = SlowMachine() ? 200 : 1500;
  for (int i = 0; i < rounds; ++i) {
    const int64_t budget = OneIn(rng, 30) ? 250000 : OneIn(rng, 3) ? 20000 : 3000;
    RowwiseProblem p = RandomProblem(rng, Format::kInt8, kFloats[static_cast<size_t>(i) % 3],
                                     testing::RandomShape(rng, Uniform(rng, 1, 6), budget), OneIn(rng, 2));
    Stats stats(p, OneIn(rng, 2) ? Layout::kStrided : Layout::kContiguous, rng);
    ASSERT_EQ(stats.Check(p, p.Measured(p.Mapped()), {PickFrom(rng, pools)}), "") << "problem " << i;
  }
}

// Rows that are cut: each mode, few rows and many.
TEST(RowStats, ThreadsDoNotMatter) {
  Rng rng(2);
  ThreadPool seven(7);
  for (const Shape& shape : {Shape{2, 150000}, Shape{50000, 4}, Shape{3, 200, 333}}) {
    for (const QuantMode mode : testing::kModes) {
      for (const DType dtype : kFloats) {
        RowwiseProblem p;
        p.x = TestTensor(dtype, shape, rng);
        p.mode = mode;
        FillX(p, rng);
        const std::vector<Statistics> expected = p.Measured(p.Mapped());
        Stats stats(p, Layout::kContiguous, rng);
        for (const ParallelFor* pool : {&SerialFor(), seven.get()}) ASSERT_EQ(stats.Check(p, expected, {pool}), "");
      }
    }
  }
  EXPECT_GT(seven.tasks(), 0);
}

struct Row {
  std::vector<float> x;
  float min, max, amax;
};
// One row by itself, far into others, and as a channel.
void Gives(const Row& row) {
  Rng rng(3);
  const auto n = static_cast<int64_t>(row.x.size());
  for (const DType dtype : kFloats) {
    for (const QuantMode mode : testing::kModes) {
      RowwiseProblem p;
      p.mode = mode;
      p.x = TestTensor(dtype, mode == QuantMode::kPerChannel ? Shape{n, 1} : Shape{1, n}, rng);
      p.x.SetFloats(row.x);
      p.x.Keep();
      Statistics s;
      s.min = row.min;
      s.max = row.max;
      s.amax = row.amax;
      EXPECT_EQ(Stats(p, Layout::kContiguous, rng).Check(p, {s}), "");
    }
  }
}

TEST(RowStats, ValuesByHand) {
  Gives({{1, -2, 0.5f}, -2, 1, 2});
  Gives({{3}, 3, 3, 3});
  Gives({{-3, -5}, -5, -3, 5});
  Gives({{4, 2, 8}, 2, 8, 8});
  Gives({{1, -kInf, 2}, -kInf, 2, kInf});
  Gives({{kInf, kInf}, kInf, kInf, kInf});
}

TEST(RowStats, MinusZeroOrdersBelowPlusZero) {
  Gives({{0, -0.0f, 0}, -0.0f, 0, 0});
  Gives({{-0.0f, -0.0f}, -0.0f, -0.0f, 0});
  Gives({{0, 0}, 0, 0, 0});
  Gives({{-1, -0.0f}, -1, -0.0f, 1});
  Gives({{1, -0.0f}, -0.0f, 1, 1});
}

TEST(RowStats, NaNTakesBoth) {
  for (const uint32_t bits : {0x7FC00000u, 0xFFC00000u, 0x7FE00000u, 0xFFFFE000u}) {
    const float nan = std::bit_cast<float>(bits);
    Gives({{nan}, kNaN, kNaN, kNaN});
    Gives({{1, nan, -1}, kNaN, kNaN, kNaN});
    Gives({{kInf, nan, -kInf}, kNaN, kNaN, kNaN});
    Gives({{-kInf, -1, nan}, kNaN, kNaN, kNaN});
  }
}

TEST(RowStats, EmptyRows) {
  Gives({{}, kInf, -kInf, 0});
  Rng rng(4);
  RowwiseProblem p;
  for (const Shape& shape : {Shape{0}, Shape{0, 3}, Shape{0, 2, 3}, Shape{2, 0, 3}, Shape{3, 2, 0}, Shape{0, 0, 3}}) {
    p.x = TestTensor(DType::kFloat16, shape, rng);
    for (const QuantMode mode : testing::kModes) {
      if (shape.size() < 2 && mode == QuantMode::kPerChannel) continue;
      p.mode = mode;
      EXPECT_EQ(Stats(p, Layout::kContiguous, rng).Check(p, p.Measured({})), "");
    }
  }
}

TEST(RowStats, FloatingPointStateNeitherMattersNorChanges) {
  Rng rng(5);
  for (int i = 0; i < 30; ++i) {
    RowwiseProblem p = RandomProblem(rng, Format::kInt8, DType::kFloat32, {40, 37}, false);
    // Products of which many are subnormal.
    p.smooth.emplace(DType::kFloat32, Shape{p.mode == QuantMode::kPerChannel ? 40 : 37}, rng);
    p.group_index.reset();
    for (int64_t k = 0; k < p.smooth->elements(); ++k)
      p.smooth->Set(k, std::ldexp(1.0f / 3, -static_cast<int>(4 * k % 150)));
    p.smooth->Keep();
    const std::vector<Statistics> expected = p.Measured(p.Mapped());
    Stats stats(p, Layout::kContiguous, rng);
    for (const Target target : SupportedTargets()) {
      const ScopedTarget scoped(target);
      for (const testing::FpWord word : testing::OddFpWords()) {
        Status status;
        bool kept = false;
        {
          const testing::ScopedFpWord state(word);
          status = stats.Run(p, {});
          kept = state.Unchanged();
        }
        ASSERT_TRUE(status.ok()) << status.message();
        EXPECT_TRUE(kept) << Name(target);
        ASSERT_EQ(stats.Compare(p, expected), "") << Name(target) << " in state " << std::hex << word;
      }
    }
  }
}

// Statistics of parts merge into statistics of the whole, whatever the cut: what a caller reduces across machines.
TEST(RowStats, PartsMerge) {
  Rng rng(6);
  for (int i = 0; i < 100; ++i) {
    RowwiseProblem p;
    p.x = TestTensor(PickFrom(rng, kFloats), {6, Uniform(rng, 2, 400)}, rng);
    FillX(p, rng);
    Stats whole(p, Layout::kContiguous, rng);
    ASSERT_TRUE(whole.Run(p, {}).ok());
    const std::vector<float> all = p.x.Floats();
    const int64_t h = p.x.shape()[1], cut = Uniform(rng, 1, h - 1);
    std::vector<Statistics> merged(6);
    for (const bool right : {false, true}) {
      RowwiseProblem part;
      const int64_t from = right ? cut : 0, n = right ? h - cut : cut;
      part.x = TestTensor(p.x.dtype(), {6, n}, rng);
      for (int64_t k = 0; k < 6 * n; ++k) part.x.SetFloat(k, all[static_cast<size_t>(k / n * h + from + k % n)]);
      part.x.Keep();
      Stats stats(part, Layout::kContiguous, rng);
      ASSERT_TRUE(stats.Run(part, {}).ok());
      for (int64_t r = 0; r < 6; ++r) {
        merged[static_cast<size_t>(r)].Add(stats.min.Get<float>(r));
        merged[static_cast<size_t>(r)].Add(stats.max.Get<float>(r));
      }
    }
    ASSERT_EQ(whole.Compare(p, merged), "");
  }
}

}  // namespace
}  // namespace kvant
