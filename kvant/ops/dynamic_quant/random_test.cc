// Random problems against the formulas, on every target, with every layout, thread pool and kind of store.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kvant/numerics/test_util.h"
#include "kvant/testing/check_dynamic_quant.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace {

using testing::CheckOnEachTarget;
using testing::kFloats;
using testing::kFormats;
using testing::Layout;
using testing::OneIn;
using testing::PickFrom;
using testing::RandomProblem;
using testing::ReversePool;
using testing::Rng;
using testing::RowwiseProblem;
using testing::Shape;
using testing::TestTensor;
using testing::ThreadPool;
using testing::Uniform;

constexpr Stores kStores[] = {Stores::kAuto, Stores::kNormal, Stores::kStreaming};

TEST(DynamicQuantRandom, AnyProblem) {
  Rng rng(1);
  const ThreadPool one(1), two(2), three(3), seven(7);
  const ReversePool reverse(5);
  const std::vector<const ParallelFor*> pools = {one.get(),   two.get(),     three.get(),
                                                 seven.get(), reverse.get(), nullptr};
  const int rounds = SlowMachine() ? 300 : 1500;
  for (int i = 0; i < rounds; ++i) {
    const int64_t budget = OneIn(rng, 40) ? 150000 : OneIn(rng, 3) ? 20000 : 3000;
    RowwiseProblem p = RandomProblem(rng, kFormats[i % 5], kFloats[i / 5 % 3],
                                     testing::RandomShape(rng, Uniform(rng, 1, 6), budget), OneIn(rng, 2));
    const ExecOptions exec{PickFrom(rng, pools), nullptr, 0, kStores[Uniform(rng, 0, 2)]};
    ASSERT_EQ(CheckOnEachTarget(p, exec), "") << "problem " << i;
  }
}

// Every length around vectors, blocks and their tails, alone and in numbers that are handled as batches.
TEST(DynamicQuantRandom, EveryRowLength) {
  Rng rng(2);
  const int64_t all = SlowMachine() ? 40 : 160;
  for (const Format format : kFormats) {
    for (const DType dtype : kFloats) {
      for (int64_t n = 1; n <= 1200; n += n < all ? 1 : 61) {
        const Shape shape = {n % 4 == 1 ? 1 : Uniform(rng, 3, n < 100 ? 150 : 37),
                             n + (format == Format::kInt4 ? n % 2 : 0)};
        RowwiseProblem p = RandomProblem(rng, format, dtype, shape, false);
        const ExecOptions exec{&SerialFor(), nullptr, 0, kStores[n % 3]};
        ASSERT_EQ(CheckOnEachTarget(p, exec), "");
      }
    }
  }
}

// Large problems of every mode, so that rows, tensors and channels are cut in all the ways there are; threads, their
// order, and stores must not matter.
TEST(DynamicQuantRandom, ThreadsAndStoresDoNotMatter) {
  Rng rng(3);
  ThreadPool two(2), three(3), seven(7);
  const ReversePool reverse(7);
  const std::vector<const ParallelFor*> pools = {&SerialFor(), two.get(), three.get(), seven.get(), reverse.get()};
  const std::vector<Shape> shapes = {{200000},    {1, 200000}, {2, 100008}, {3, 70000},
                                     {1600, 128}, {40, 5008},  {100000, 2}, {7, 130, 256}};
  int round = 0, turn = 0;
  for (const Shape& shape : shapes) {
    for (const QuantMode mode : testing::kModes) {
      if (shape.size() < 2 && mode == QuantMode::kPerChannel) continue;
      const Format format = kFormats[static_cast<size_t>(round) % 5];
      RowwiseProblem p = RandomProblem(rng, format, kFloats[static_cast<size_t>(round) % 3], shape, false);
      p.mode = mode;
      p.group_size = 0;
      p.smooth.reset();
      p.group_index.reset();
      if (round % 2 == 0) {
        const int64_t length = shape[shape.size() - (mode == QuantMode::kPerChannel ? 2 : 1)];
        p.smooth.emplace(PickFrom(rng, kFloats), Shape{length}, rng);
        FillSmooth(*p.smooth, rng);
      }
      p.MakeOutputs(rng);
      FillX(p, rng);
      const RowwiseProblem::Expected expected = p.Expect();
      for (const ParallelFor* pool : pools) {
        for (const Stores stores : {Stores::kNormal, Stores::kStreaming}) {
          if (SlowMachine() && ++turn % 3 != 0) continue;  // of ten for each problem
          ASSERT_EQ(CheckOnEachTarget(p, expected, {pool, nullptr, 0, stores}), "");
        }
      }
      ++round;
    }
  }
  // The work was spread, or nothing of the above was tested.
  EXPECT_GT(two.tasks(), 0);
  EXPECT_GT(three.tasks(), 0);
  EXPECT_GT(seven.tasks(), 0);
}

// Results large enough that Stores::kAuto streams them.
TEST(DynamicQuantRandom, MoreThanTheCacheHolds) {
  if (SlowMachine()) GTEST_SKIP() << "9 million elements";
  Rng rng(4);
  RowwiseProblem p;
  p.x = TestTensor(DType::kFloat16, {1100, 8192}, rng);
  p.MakeOutputs(rng);
  FillX(p, rng);
  EXPECT_EQ(CheckOnEachTarget(p), "");
}

// A row is a row: the order of rows does not matter, and neither does how the leading dimensions are written.
TEST(DynamicQuantRandom, LeadingDimensionsFlatten) {
  Rng rng(5);
  for (const Format format : kFormats) {
    RowwiseProblem p = RandomProblem(rng, format, DType::kBFloat16, {2, 3, 5, 72}, false);
    p.mode = QuantMode::kPerToken;
    p.group_size = 0;
    p.smooth.reset();
    p.group_index.reset();
    p.MakeOutputs(rng);
    ASSERT_EQ(CheckOnEachTarget(p), "");
    RowwiseProblem flat = p;
    flat.x = TestTensor(DType::kBFloat16, {30, 72}, rng);
    flat.x.SetBytes(p.x.Bytes());
    flat.x.Keep();
    flat.MakeOutputs(rng);
    ASSERT_EQ(CheckOnEachTarget(flat), "");
    EXPECT_EQ(flat.y.Bytes(), p.y.Bytes());
    EXPECT_EQ(flat.scale.Bytes(), p.scale.Bytes());
  }
}

}  // namespace
}  // namespace kvant
