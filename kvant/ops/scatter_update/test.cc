#include <gtest/gtest.h>

#include <numeric>

#include "kvant/ops/scatter_update/scatter_update.h"
#include "kvant/testing/pools.h"
#include "kvant/testing/scatter_problem.h"

namespace kvant {
namespace {

using testing::Layout;
using testing::OneIn;
using testing::RandomScatter;
using testing::Rng;
using testing::ScatterProblem;
using testing::Shape;
using testing::TestTensor;
using testing::ThreadPool;
using testing::Uniform;

using Bytes = std::vector<uint8_t>;

const std::vector<DType> kDTypes = {DType::kFloat16,    DType::kBFloat16, DType::kFloat32, DType::kInt8,
                                    DType::kUInt8,      DType::kInt32,    DType::kInt64,   DType::kFloat8E4M3FN,
                                    DType::kFloat8E5M2, DType::kBool,     DType::kUInt16,  DType::kComplex128};

ScatterUpdateInPlaceArgs InPlaceArgs(ScatterProblem& p) {
  ScatterUpdateInPlaceArgs args;
  args.self = p.self.view();
  args.indices = p.indices.view();
  args.updates = p.updates.view();
  args.axis = p.axis;
  args.index_mode = p.mode;
  args.index_policy = p.policy;
  return args;
}

// Both forms, with everything around the elements compared.
void ExpectRight(ScatterProblem& p, const ExecOptions& exec, Rng& rng) {
  p.self.Reset();
  const Bytes expected = p.Expected(p.self.Bytes(), p.updates.Bytes());

  TestTensor copy(p.self.dtype(), p.self.shape(), OneIn(rng, 2) ? Layout::kStrided : Layout::kContiguous, rng);
  const ScatterUpdateInPlaceArgs in_place = InPlaceArgs(p);
  ScatterUpdateArgs args;
  args.self = in_place.self;
  args.indices = in_place.indices;
  args.updates = in_place.updates;
  args.axis = in_place.axis;
  args.index_mode = in_place.index_mode;
  args.index_policy = in_place.index_policy;
  args.out = copy.view();
  const Status functional = ScatterUpdate(args, exec);
  EXPECT_TRUE(functional.ok()) << functional.message();
  EXPECT_EQ(copy.Bytes(), expected) << p.Describe();
  EXPECT_TRUE(copy.OnlyElementsWritten()) << p.Describe();
  EXPECT_TRUE(p.self.Untouched()) << p.Describe();

  const Status status = ScatterUpdateInPlace(in_place, exec);
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(p.self.Bytes(), expected) << p.Describe();
  EXPECT_TRUE(p.self.OnlyElementsWritten()) << p.Describe();
  EXPECT_TRUE(p.updates.Untouched() && p.indices.Untouched()) << p.Describe();
}

TEST(ScatterUpdate, EveryRankAxisAndMode) {
  Rng rng(1);
  const ThreadPool two(2), seven(7);
  const std::vector<const ParallelFor*> pools = {&SerialFor(), two.get(), seven.get()};
  for (size_t rank = 2; rank <= 8; ++rank) {
    for (size_t axis = 1; axis < rank; ++axis) {
      for (const IndexMode mode : testing::kIndexModes) {
        for (int round = 0; round < 40; ++round) {
          const DType dtype = PickFrom(rng, kDTypes);
          ScatterProblem p = RandomScatter(mode, rank, axis, dtype, dtype, {}, rng);
          ExpectRight(p, {PickFrom(rng, pools)}, rng);
          if (HasFailure()) return;
        }
      }
    }
  }
}

// Large enough for several tasks: many updates, and few long ones.
TEST(ScatterUpdate, ThreadsDoNotMatter) {
  Rng rng(2);
  const auto pools = testing::SomePools();
  for (int round = 0; round < 12; ++round) {
    ScatterProblem p;
    p.mode = PickFrom(rng, testing::kIndexModes);
    const bool many = OneIn(rng, 2);
    const int64_t firsts = many ? 700 : 3, positions = many ? 16 : 600, length = many ? Uniform(rng, 1, 2) : 400;
    const int64_t n = many ? 700 : Uniform(rng, 1, 3), heads = 2, dim = 100;
    const bool slot = p.mode == IndexMode::kSlot;
    const Shape pairs = {n, 2}, plain = {n}, rows = {n, heads, dim}, longer = {n, length, heads, dim};
    p.axis = 1;
    p.self = TestTensor(DType::kFloat16, {firsts, positions, heads, dim}, rng);
    p.updates = TestTensor(DType::kFloat16, slot ? rows : longer, rng);
    p.indices = TestTensor(DType::kInt64, p.mode == IndexMode::kPair ? pairs : plain, rng);
    testing::FillIndices(p, rng);
    for (const auto& pool : pools) ExpectRight(p, {pool->get()}, rng);
    if (HasFailure()) return;
  }
  for (size_t i = 1; i < pools.size(); ++i) EXPECT_GT(pools[i]->tasks(), 0);
}

// Thousands of updates of a few places: the last one of each place stays.
TEST(ScatterUpdate, OfDuplicatesTheLastWins) {
  Rng rng(3);
  for (const IndexMode mode : {IndexMode::kPair, IndexMode::kSlot}) {
    for (const int64_t length : {1, 3}) {
      if (mode == IndexMode::kSlot && length != 1) continue;
      for (const int threads : testing::ThreadCounts()) {
        ScatterProblem p;
        p.mode = mode;
        p.axis = -2;
        const int64_t n = 20000, dim = 24;
        const Shape pairs = {n, 2}, plain = {n}, rows = {n, dim}, longer = {n, length, dim};
        p.self = TestTensor(DType::kInt8, {6, 10, dim}, rng);
        p.updates = TestTensor(DType::kInt8, mode == IndexMode::kSlot ? rows : longer, rng);
        p.indices = TestTensor(DType::kInt32, mode == IndexMode::kSlot ? plain : pairs, rng);
        testing::FillIndices(p, rng);
        const ThreadPool pool(threads);
        ExpectRight(p, {pool.get()}, rng);
        EXPECT_EQ(pool.tasks() > 1, threads > 1);
        if (HasFailure()) return;
      }
    }
  }
}

// A cache [blocks, block, heads, dim] that is kept as [blocks, heads, block, dim], and one whose halves are K and V.
TEST(ScatterUpdate, PermutedCaches) {
  Rng rng(4);
  for (const Shape& strides : {Shape{4 * 16 * 32, 32, 16 * 32, 1}, Shape{2 * 16 * 4 * 32, 4 * 32, 32, 1},
                               Shape{4 * 16 * 32, -32, 16 * 32, -1}, Shape{1, 9, 9 * 16, 9 * 16 * 4}}) {
    for (const IndexMode mode : testing::kIndexModes) {
      ScatterProblem p;
      p.mode = mode;
      p.axis = 1;
      p.self = TestTensor(DType::kBFloat16, {9, 16, 4, 32}, strides, rng);
      const Shape pairs = {8, 2}, plain = {8}, rows = {8, 4, 32}, longer = {8, 3, 4, 32};
      p.updates = TestTensor(DType::kBFloat16, mode == IndexMode::kSlot ? rows : longer, rng);
      p.indices = TestTensor(DType::kInt64, mode == IndexMode::kPair ? pairs : plain, rng);
      testing::FillIndices(p, rng);
      ExpectRight(p, {&SerialFor()}, rng);
    }
  }
}

// One bad index of a million: nothing is written, or all the others.
TEST(ScatterUpdate, AMillionIndices) {
  Rng rng(5);
  const int64_t n = 1000000;
  ScatterProblem p;
  p.mode = IndexMode::kSlot;
  p.axis = 1;
  p.self = TestTensor(DType::kInt8, {n / 8, 16}, rng);
  p.updates = TestTensor(DType::kInt8, {n}, rng);
  p.indices = TestTensor(DType::kInt32, {n}, rng);
  std::vector<int32_t> slots(static_cast<size_t>(2 * n));
  std::iota(slots.begin(), slots.end(), 0);
  std::shuffle(slots.begin(), slots.end(), rng);
  for (int64_t i = 0; i < n; ++i) p.SetIndex(i, slots[static_cast<size_t>(i)]);
  p.SetIndex(n - 7, 2 * n);
  p.SetIndex(n - 3, -5);
  p.indices.Keep();
  const ThreadPool two(2);
  for (const ParallelFor* parallel : {&SerialFor(), two.get()}) {
    p.policy = IndexPolicy::kError;
    const Status status = ScatterUpdateInPlace(InPlaceArgs(p), {parallel});
    EXPECT_EQ(status.code(), StatusCode::kOutOfRange);
    EXPECT_EQ(status.message(),
              "scatter_update_: indices[999993] is 2000000, expected 0 to 1999999, or -1 for padding");
    EXPECT_TRUE(p.self.Untouched());
    p.policy = IndexPolicy::kSkip;
    ExpectRight(p, {parallel}, rng);
    p.self.Reset();
  }
}

TEST(ScatterUpdate, NothingToWrite) {
  Rng rng(6);
  for (const IndexMode mode : testing::kIndexModes) {
    const bool slot = mode == IndexMode::kSlot, pair = mode == IndexMode::kPair;
    for (const auto& [self, n, length] : std::vector<std::tuple<Shape, int64_t, int64_t>>{
             {{3, 4, 5}, 0, 1}, {{3, 4, 5}, 3, 0}, {{3, 4, 0}, 3, 1}, {{0, 4, 5}, 0, 1}, {{3, 0, 5}, 0, 0}}) {
      ScatterProblem p;
      p.mode = mode;
      p.self = TestTensor(DType::kFloat32, self, rng);
      const Shape pairs = {n, 2}, plain = {n}, rows = {n, self[2]}, longer = {n, length, self[2]};
      p.updates = TestTensor(DType::kFloat32, slot ? rows : longer, rng);
      p.indices = TestTensor(DType::kInt64, pair ? pairs : plain, rng);
      testing::FillIndices(p, rng);
      ExpectRight(p, {&SerialFor()}, rng);
    }
  }
  // Indices are looked at even so.
  ScatterProblem p;
  p.self = TestTensor(DType::kFloat32, {3, 4, 0}, rng);
  p.updates = TestTensor(DType::kFloat32, {1, 2, 0}, rng);
  p.indices = TestTensor(DType::kInt64, {1}, rng);
  p.SetIndex(0, 3);
  EXPECT_EQ(ScatterUpdateInPlace(InPlaceArgs(p)).message(), "scatter_update_: indices[0] is 3, expected 0 to 2");
}

// Tables of one number a row, as scales are kept.
TEST(ScatterUpdate, SingleNumbers) {
  Rng rng(7);
  for (const DType dtype : {DType::kFloat32, DType::kFloat16, DType::kInt8, DType::kInt64}) {
    for (const IndexMode mode : testing::kIndexModes) {
      ScatterProblem p;
      p.mode = mode;
      p.axis = -1;
      p.self = TestTensor(dtype, {40, 16}, rng);
      const Shape pairs = {33, 2}, plain = {33}, column = {33, 1};
      p.updates = TestTensor(dtype, mode == IndexMode::kSlot ? plain : column, rng);
      p.indices = TestTensor(DType::kInt32, mode == IndexMode::kPair ? pairs : plain, rng);
      testing::FillIndices(p, rng);
      ExpectRight(p, {&SerialFor()}, rng);
    }
  }
}

}  // namespace
}  // namespace kvant
