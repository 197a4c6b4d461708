#include "kvant/core/scatter_index.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <vector>

#include "kvant/core/scatter_table.h"
#include "kvant/testing/tensors.h"

namespace kvant {
namespace {

using testing::OneIn;
using testing::Rng;
using testing::Uniform;

constexpr int64_t kMin = std::numeric_limits<int64_t>::min(), kMax = std::numeric_limits<int64_t>::max();

ScatterGeometry Geometry(IndexMode mode, int64_t updates, int64_t firsts, int64_t positions, int64_t length) {
  ScatterGeometry g;
  g.mode = mode;
  g.updates = updates;
  g.firsts = firsts;
  g.positions = positions;
  g.length = length;
  return g;
}

template <class T>
ConstTensorView View(const std::vector<T>& values, IndexMode mode) {
  const DType dtype = sizeof(T) == 4 ? DType::kInt32 : DType::kInt64;
  const auto n = static_cast<int64_t>(values.size());
  if (mode == IndexMode::kPair) return {values.data(), dtype, {n / 2, 2}};
  return {values.data(), dtype, {n}};
}

// The place as "first,start", or "skip".
std::string At(const ScatterIndex& index, int64_t i) {
  ScatterPlace place;
  if (!index.Decode(i, &place)) return "skip";
  return std::to_string(place.first) + "," + std::to_string(place.start);
}

template <class T>
class ScatterIndexOf : public ::testing::Test {};
using IndexTypes = ::testing::Types<int32_t, int64_t>;
TYPED_TEST_SUITE(ScatterIndexOf, IndexTypes);

TYPED_TEST(ScatterIndexOf, Batch) {
  const std::vector<TypeParam> values = {
      0, 8, 9, -1, std::numeric_limits<TypeParam>::min(), std::numeric_limits<TypeParam>::max()};
  const ScatterIndex index(View(values, IndexMode::kBatch), Geometry(IndexMode::kBatch, 6, 7, 10, 2),
                           IndexPolicy::kSkip);
  EXPECT_EQ(At(index, 0), "0,0");
  EXPECT_EQ(At(index, 1), "1,8");
  for (int i = 2; i < 6; ++i) EXPECT_EQ(At(index, i), "skip") << i;
}

TYPED_TEST(ScatterIndexOf, Pair) {
  const std::vector<TypeParam> values = {3,
                                         8,
                                         4,
                                         0,
                                         3,
                                         9,
                                         -1,
                                         0,
                                         0,
                                         -1,
                                         std::numeric_limits<TypeParam>::min(),
                                         0,
                                         0,
                                         std::numeric_limits<TypeParam>::max()};
  const ScatterIndex index(View(values, IndexMode::kPair), Geometry(IndexMode::kPair, 7, 4, 10, 2), IndexPolicy::kSkip);
  EXPECT_EQ(At(index, 0), "3,8");
  for (int i = 1; i < 7; ++i) EXPECT_EQ(At(index, i), "skip") << i;
}

TYPED_TEST(ScatterIndexOf, Slot) {
  const std::vector<TypeParam> values = {
      0, 15, 16, 47, 48, -1, std::numeric_limits<TypeParam>::min(), std::numeric_limits<TypeParam>::max()};
  const ScatterIndex index(View(values, IndexMode::kSlot), Geometry(IndexMode::kSlot, 8, 3, 16, 1), IndexPolicy::kSkip);
  EXPECT_EQ(At(index, 0), "0,0");
  EXPECT_EQ(At(index, 1), "0,15");
  EXPECT_EQ(At(index, 2), "1,0");
  EXPECT_EQ(At(index, 3), "2,15");
  for (int i = 4; i < 8; ++i) EXPECT_EQ(At(index, i), "skip") << i;
}

TEST(ScatterIndex, FollowsStrides) {
  const std::vector<int64_t> memory = {9, 1, 9, 2, 9, 3, 9, 4};
  const ScatterIndex pairs(ConstTensorView(memory.data() + 5, DType::kInt64, {2, 2}, {-4, 2}),
                           Geometry(IndexMode::kPair, 2, 5, 5, 1), IndexPolicy::kError);
  EXPECT_EQ(At(pairs, 0), "3,4");
  EXPECT_EQ(At(pairs, 1), "1,2");
  const ScatterIndex slots(ConstTensorView(memory.data(), DType::kInt64, {5}, {0}),
                           Geometry(IndexMode::kSlot, 5, 2, 5, 1), IndexPolicy::kError);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(At(slots, i), "1,4");
}

// An empty destination of more slots than 64 bits count.
TEST(ScatterIndex, HugeExtents) {
  const std::vector<int64_t> values = {kMax, 0, -1, kMin};
  const ScatterIndex slots(View(values, IndexMode::kSlot),
                           Geometry(IndexMode::kSlot, 4, int64_t{1} << 40, int64_t{1} << 40, 1), IndexPolicy::kSkip);
  EXPECT_EQ(At(slots, 0), std::to_string(kMax >> 40) + "," + std::to_string((int64_t{1} << 40) - 1));
  EXPECT_EQ(At(slots, 1), "0,0");
  EXPECT_EQ(At(slots, 2), "skip");
  EXPECT_EQ(At(slots, 3), "skip");
  const ScatterIndex pairs(View(values, IndexMode::kPair), Geometry(IndexMode::kPair, 2, kMax, kMax, 1),
                           IndexPolicy::kSkip);
  EXPECT_EQ(At(pairs, 0), "skip");  // one beyond the last
  EXPECT_EQ(At(pairs, 1), "skip");
  for (const int64_t firsts : {0, 3}) {
    const ScatterIndex none(View(values, IndexMode::kSlot), Geometry(IndexMode::kSlot, 4, firsts, 3 - firsts, 1),
                            IndexPolicy::kSkip);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(At(none, i), "skip");
  }
}

std::string Error(const std::vector<int64_t>& values, IndexMode mode, int64_t firsts, int64_t positions,
                  int64_t length) {
  const ConstTensorView view = View(values, mode);
  const ScatterGeometry geometry = Geometry(mode, view.shape(0), firsts, positions, length);
  EXPECT_TRUE(ScatterIndex(view, geometry, IndexPolicy::kSkip).Check("op", nullptr).ok());
  const Status status = ScatterIndex(view, geometry, IndexPolicy::kError).Check("op", nullptr);
  EXPECT_TRUE(status.ok() || status.code() == StatusCode::kOutOfRange);
  return status.message();
}

TEST(ScatterIndex, NamesTheFirstBadIndex) {
  EXPECT_EQ(Error({0, 8, 4}, IndexMode::kBatch, 3, 10, 2), "");
  EXPECT_EQ(Error({0, 9, 10}, IndexMode::kBatch, 3, 10, 2), "op: indices[1] is 9, expected 0 to 8");
  EXPECT_EQ(Error({-1}, IndexMode::kBatch, 3, 10, 2), "op: indices[0] is -1, expected 0 to 8");
  EXPECT_EQ(Error({1}, IndexMode::kBatch, 3, 10, 10), "op: indices[0] is 1, expected 0");
  EXPECT_EQ(Error({kMin}, IndexMode::kBatch, 3, 10, 1), "op: indices[0] is -9223372036854775808, expected 0 to 9");
  EXPECT_EQ(Error({0, 8, -1, 99, 99, -1, 2, 0}, IndexMode::kPair, 3, 10, 2), "");
  EXPECT_EQ(Error({0, 0, 3, 9}, IndexMode::kPair, 3, 10, 2),
            "op: indices[1, 0] is 3, expected 0 to 2, or -1 for padding");
  EXPECT_EQ(Error({0, 0, 2, 9}, IndexMode::kPair, 3, 10, 2),
            "op: indices[1, 1] is 9, expected 0 to 8, or -1 for padding");
  EXPECT_EQ(Error({0, 0}, IndexMode::kPair, 0, 10, 2), "op: indices[0, 0] is 0, expected nothing, or -1 for padding");
  EXPECT_EQ(Error({29, 0, -1, 30}, IndexMode::kSlot, 3, 10, 1),
            "op: indices[3] is 30, expected 0 to 29, or -1 for padding");
  EXPECT_EQ(Error({-2}, IndexMode::kSlot, 3, 10, 1), "op: indices[0] is -2, expected 0 to 29, or -1 for padding");
}

ScatterFacts Facts(const std::vector<int64_t>& values, IndexMode mode, int64_t length) {
  const ConstTensorView view = View(values, mode);
  ScatterFacts facts;
  EXPECT_TRUE(
      ScatterIndex(view, Geometry(mode, view.shape(0), 4, 10, length), IndexPolicy::kSkip).Check("op", &facts).ok());
  return facts;
}

TEST(ScatterIndex, KnowsWhetherUpdatesMayMeet) {
  EXPECT_TRUE(Facts({5, 1, 1}, IndexMode::kBatch, 2).ascending);
  EXPECT_TRUE(Facts({}, IndexMode::kSlot, 1).ascending);
  EXPECT_TRUE(Facts({0, 3, 9, 10, 39}, IndexMode::kSlot, 1).ascending);
  EXPECT_FALSE(Facts({0, 3, 3}, IndexMode::kSlot, 1).ascending);
  EXPECT_FALSE(Facts({4, 3}, IndexMode::kSlot, 1).ascending);
  EXPECT_TRUE(Facts({0, 3, 0, 5, 1, 0}, IndexMode::kPair, 2).ascending);
  EXPECT_FALSE(Facts({0, 3, 0, 4}, IndexMode::kPair, 2).ascending);
  EXPECT_FALSE(Facts({1, 0, 0, 5}, IndexMode::kPair, 2).ascending);
  EXPECT_FALSE(Facts({0, 3, 5}, IndexMode::kSlot, 1).skips);
  EXPECT_TRUE(Facts({9, -1, 10}, IndexMode::kSlot, 1).skips);
  EXPECT_TRUE(Facts({9, -1, 10}, IndexMode::kSlot, 1).ascending);
  EXPECT_TRUE(Facts({9, 77}, IndexMode::kSlot, 1).skips);
}

// Every unit of every update that is written goes to one task, and of each element's updates one task sees all, in
// order.
TEST(ScatterCut, SpreadsUpdates) {
  Rng rng(1);
  for (int round = 0; round < 600; ++round) {
    const IndexMode mode = static_cast<IndexMode>(Uniform(rng, 0, 2));
    const int64_t n = Uniform(rng, 0, 40), firsts = n + Uniform(rng, 0, 5), positions = Uniform(rng, 1, 9);
    const int64_t length = mode == IndexMode::kSlot ? 1 : Uniform(rng, 0, positions), units = Uniform(rng, 0, 5);
    std::vector<int64_t> values;
    const bool sorted = OneIn(rng, 3);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t first = sorted ? i : Uniform(rng, -1, std::min<int64_t>(firsts - 1, 3));
      if (mode == IndexMode::kPair) values.push_back(first);
      if (mode == IndexMode::kSlot) {
        values.push_back(first * positions + Uniform(rng, 0, positions - 1));
      } else {
        values.push_back(Uniform(rng, -1, positions - length));
      }
    }
    const ScatterIndex index(View(values, mode), Geometry(mode, n, firsts, positions, length), IndexPolicy::kSkip);
    ScatterFacts facts;
    ASSERT_TRUE(index.Check("op", &facts).ok());
    const ScatterCut cut(index, facts, units, static_cast<int>(Uniform(rng, 1, 8)));
    std::vector<int64_t> seen(static_cast<size_t>(n * units));
    std::map<std::pair<int64_t, int64_t>, int> owner;
    for (int task = 0; task < cut.tasks(); ++task) {
      int64_t last = -1;
      cut.ForEach(task, [&](int64_t i, const ScatterPlace& place, int64_t begin, int64_t end) {
        EXPECT_GT(i, last);
        last = i;
        ScatterPlace expected;
        ASSERT_TRUE(index.Decode(i, &expected));
        EXPECT_EQ(place.first, expected.first);
        EXPECT_EQ(place.start, expected.start);
        ASSERT_LE(0, begin);
        ASSERT_LE(end, units);
        for (int64_t u = begin; u < end; ++u) ++seen[static_cast<size_t>(i * units + u)];
        if (!cut.by_place()) return;
        EXPECT_EQ(end - begin, units);
        for (int64_t t = 0; t < length; ++t) {
          EXPECT_EQ(owner.emplace(std::pair(place.first, place.start + t), task).first->second, task);
        }
      });
    }
    for (int64_t i = 0; i < n; ++i) {
      ScatterPlace place;
      const int64_t times = index.Decode(i, &place) ? 1 : 0;
      for (int64_t u = 0; u < units; ++u) EXPECT_EQ(seen[static_cast<size_t>(i * units + u)], times);
    }
    EXPECT_FALSE(cut.by_place() && (mode == IndexMode::kBatch || facts.ascending));
    if (HasFailure()) return;
  }
}

// Pages of a cache at regular distances are spread over all tasks.
TEST(ScatterCut, SpreadsPlacesEvenly) {
  for (const int64_t step : {1, 8, 16, 1024}) {
    std::vector<int64_t> slots;
    for (int64_t i = 4096; i-- > 0;) slots.push_back(i * step);
    const ScatterIndex index(View(slots, IndexMode::kSlot), Geometry(IndexMode::kSlot, 4096, 4096 * 1024, 16, 1),
                             IndexPolicy::kError);
    ScatterFacts facts;
    ASSERT_TRUE(index.Check("op", &facts).ok());
    const ScatterCut cut(index, facts, 1, 8);
    ASSERT_TRUE(cut.by_place());
    for (int task = 0; task < 8; ++task) {
      int64_t count = 0;
      cut.ForEach(task, [&](int64_t, const ScatterPlace&, int64_t, int64_t) { ++count; });
      EXPECT_GT(count, 4096 / 8 / 2) << step;
      EXPECT_LT(count, 4096 / 8 * 2) << step;
    }
  }
}

// Rows of updates into a permuted cache.
TEST(ScatterTable, FindsRows) {
  std::vector<char> memory(5 * 4 * 3 * 2 * 2);
  // [blocks 5, block 4, heads 3, dim 2] of 16-bit elements, kept as [blocks, heads, block, dim].
  const TensorView self(memory.data(), DType::kFloat16, {5, 4, 3, 2}, {24, 2, 8, 1});
  ScatterGeometry pair = Geometry(IndexMode::kPair, 1, 5, 4, 2), slot = Geometry(IndexMode::kSlot, 1, 5, 4, 1);
  const ScatterTable pairs(self, pair, 1), slots(self, slot, 1);
  EXPECT_EQ(pairs.At({0, 0}), memory.data());
  for (int64_t t = 0; t < 2; ++t) {
    for (int64_t head = 0; head < 3; ++head) {
      EXPECT_EQ(pairs.At({3, 2}, t * 3 + head) - memory.data(), (3 * 24 + (2 + t) * 2 + head * 8) * 2);
      EXPECT_EQ(slots.At({3, 2 + t}, head) - memory.data(), (3 * 24 + (2 + t) * 2 + head * 8) * 2);
    }
  }
  const TensorView window = ScatterWindow(self, pair), page = ScatterWindow(self, slot);
  EXPECT_EQ(std::vector<int64_t>(window.shape().begin(), window.shape().end()), (std::vector<int64_t>{2, 3, 2}));
  EXPECT_EQ(std::vector<int64_t>(page.shape().begin(), page.shape().end()), (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(page.stride(0), 8);
}

}  // namespace
}  // namespace kvant
