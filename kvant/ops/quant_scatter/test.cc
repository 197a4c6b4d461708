// quant_scatter is quantize followed by scatter_update, bit for bit.
#include <gtest/gtest.h>

#include "kvant/ops/quant_scatter/problem_test_util.h"
#include "kvant/testing/each_target.h"
#include "kvant/testing/fp_state.h"

namespace kvant {
namespace {

using testing::kFloats;
using testing::Layout;
using testing::OneIn;
using testing::Rng;
using testing::Shape;
using testing::TestTensor;
using testing::ThreadPool;
using testing::Uniform;

using Bytes = std::vector<uint8_t>;
using Problem = testing::QuantScatterProblem;

const std::vector<Format> kCodeFormats = {Format::kInt8, Format::kFloat8E4M3FN, Format::kFloat8E5M2, Format::kHiFloat8};

DType Storage(Format format, Rng& rng) {
  return format != Format::kInt8 && OneIn(rng, 3) ? DType::kUInt8 : StorageType(format);
}

TEST(QuantScatter, EveryRankAxisModeAndFormat) {
  Rng rng(1);
  const ThreadPool two(2), seven(7);
  const std::vector<const ParallelFor*> pools = {&SerialFor(), two.get(), seven.get()};
  for (size_t rank = 3; rank <= 8; ++rank) {
    for (size_t axis = 1; axis + 1 < rank; ++axis) {
      for (const IndexMode mode : testing::kIndexModes) {
        for (int round = 0; round < 24; ++round) {
          Problem p;
          p.format = kCodeFormats[static_cast<size_t>(round) % 4];
          const bool odd = OneIn(rng, 2);
          const testing::ScatterSizes sizes = {10, OneIn(rng, 8) ? 5000 : 300, odd};
          static_cast<testing::ScatterProblem&>(p) =
              testing::RandomScatter(mode, rank, axis, Storage(p.format, rng), PickFrom(rng, kFloats), sizes, rng);
          FillAttributes(p, odd, rng);
          const Bytes expected = p.Unfused(rng);
          TestTensor out(p.self.dtype(), p.self.shape(), odd ? Layout::kStrided : Layout::kContiguous, rng);
          const ExecOptions exec{PickFrom(rng, pools), nullptr, 0, static_cast<Stores>(Uniform(rng, 0, 2))};
          testing::OnEachTarget([&](Target target) {
            EXPECT_EQ(p.CheckInPlace(expected, exec), "") << Name(target);
            EXPECT_EQ(p.CheckFunctional(expected, out, exec), "") << Name(target);
          });
          if (HasFailure()) return;
        }
      }
    }
  }
}

Problem Cache(IndexMode mode, Format format, const Shape& self, int64_t n, int64_t length, Rng& rng, int axis = 1) {
  Problem p;
  p.mode = mode;
  p.format = format;
  p.axis = axis;
  p.self = TestTensor(StorageType(format), self, rng);
  Shape update = self;
  update[0] = n;
  update[p.Axis()] = length;
  if (mode == IndexMode::kSlot) update.erase(update.begin() + axis);
  p.updates = TestTensor(PickFrom(rng, kFloats), update, rng);
  const Shape pairs = {n, 2}, plain = {n};
  p.indices = TestTensor(DType::kInt64, mode == IndexMode::kPair ? pairs : plain, rng);
  testing::FillIndices(p, rng);
  FillAttributes(p, /*any_layout=*/false, rng);
  return p;
}

// Prompts and decodes: slots that follow one another, in blocks that do not, are encoded as one; those that do not wait
// for others. Some are padding or named again.
TEST(QuantScatter, SlotsTogetherAndApart) {
  Rng rng(5);
  const auto pools = testing::SomePools();
  const struct {
    Shape cache;
    int axis;
    int apart;  // one in so many
  } kCases[] = {{{50, 16, 8, 40}, 1, 30}, {{50, 8, 16, 40}, 2, 30}, {{50, 16, 3, 1}, 1, 30},  {{9, 16, 1, 2100}, 1, 30},
                {{50, 16, 8, 40}, 1, 2},  {{50, 8, 16, 40}, 2, 2},  {{50, 16, 3, 1}, 1, 1},   {{9, 16, 1, 2100}, 1, 2},
                {{9, 16, 1, 2048}, 1, 1}, {{9, 16, 1, 2048}, 1, 3}, {{9, 16, 2, 1030}, 1, 3}, {{9, 2, 16, 1024}, 2, 1}};
  for (const auto& c : kCases) {
    for (const Format format : kCodeFormats) {
      const int64_t blocks = c.cache[0], n = blocks * 16 - 7;
      Problem p = Cache(IndexMode::kSlot, format, c.cache, n, 1, rng, c.axis);
      for (int64_t i = 0; i < n; ++i) {
        const int64_t slot = (i / 16 * 7 + 3) % blocks * 16 + i % 16;
        p.SetIndex(i, OneIn(rng, 50) ? -1 : OneIn(rng, c.apart) ? Uniform(rng, 0, n) : slot);
      }
      p.indices.Keep();
      const Bytes expected = p.Unfused(rng);
      testing::OnEachTarget([&](Target target) {
        for (const auto& pool : pools) {
          const auto stores = static_cast<Stores>(Uniform(rng, 0, 2));
          EXPECT_EQ(p.CheckInPlace(expected, {pool->get(), nullptr, 0, stores}), "") << Name(target);
        }
      });
      if (HasFailure()) return;
    }
  }
}

// Large enough for several tasks and several panels of columns; many duplicates where the mode has them.
TEST(QuantScatter, ThreadsDoNotMatter) {
  Rng rng(2);
  const auto pools = testing::SomePools();
  const struct {
    Shape self;
    int64_t n, length;
  } kCases[] = {{{3000, 4, 2, 64}, 3000, 1},
                {{40, 16, 4, 64}, 40, 5},
                {{30, 4, 1, 5000}, 30, 1},
                {{2, 900, 130}, 2, 800},
                {{1, 3, 400000}, 1, 1}};
  for (const auto& c : kCases) {
    for (const IndexMode mode : testing::kIndexModes) {
      for (const Format format : kCodeFormats) {
        Problem p = Cache(mode, format, c.self, c.n, c.length, rng);
        const Bytes expected = p.Unfused(rng);
        for (const auto& pool : pools) {
          const auto stores = static_cast<Stores>(Uniform(rng, 0, 2));
          EXPECT_EQ(p.CheckInPlace(expected, {pool->get(), nullptr, 0, stores}), "");
        }
        if (HasFailure()) return;
      }
    }
  }
  for (size_t i = 1; i < pools.size(); ++i) EXPECT_GT(pools[i]->tasks(), 0);
}

// A cache [blocks, block, heads, dim] in another order of memory.
TEST(QuantScatter, PermutedCaches) {
  Rng rng(3);
  for (const Shape& strides : {Shape{4 * 16 * 32, 32, 16 * 32, 1}, Shape{2 * 16 * 4 * 32, 4 * 32, 32, 1},
                               Shape{4 * 16 * 32, -32, 16 * 32, -1}, Shape{1, 9, 9 * 16, 9 * 16 * 4}}) {
    for (const IndexMode mode : testing::kIndexModes) {
      for (const Format format : kCodeFormats) {
        Problem p = Cache(mode, format, {9, 16, 4, 32}, mode == IndexMode::kBatch ? 8 : 40, 3, rng);
        p.self = TestTensor(p.self.dtype(), p.self.shape(), strides, rng);
        const Bytes expected = p.Unfused(rng);
        testing::OnEachTarget([&](Target target) { EXPECT_EQ(p.CheckInPlace(expected, {}), "") << Name(target); });
      }
    }
  }
}

TEST(QuantScatter, OneBadIndexOfManyWritesNothing) {
  Rng rng(4);
  Problem p = Cache(IndexMode::kSlot, Format::kInt8, {200000, 16, 1}, 1, 1, rng);
  const int64_t n = 1000000;
  p.axis = -2;
  p.updates = TestTensor(DType::kFloat16, {n, 1}, rng);
  p.indices = TestTensor(DType::kInt64, {n}, rng);
  for (int64_t i = 0; i < n; ++i) p.SetIndex(i, Uniform(rng, 0, 16 * 200000 - 1));
  p.SetIndex(n - 1, INT64_MIN);
  p.indices.Keep();
  p.policy = IndexPolicy::kError;
  EXPECT_EQ(QuantScatterInPlace(p.InPlaceArgs()).message(),
            "quant_scatter_: indices[999999] is -9223372036854775808, expected 0 to 3199999, or -1 for padding");
  EXPECT_TRUE(p.self.Untouched());
  p.policy = IndexPolicy::kSkip;
  const Bytes expected = p.Unfused(rng);
  const ThreadPool three(3);
  EXPECT_EQ(p.CheckInPlace(expected, {}), "");
  EXPECT_EQ(p.CheckInPlace(expected, {three.get()}), "");
}

TEST(QuantScatter, NothingToWrite) {
  Rng rng(5);
  for (const IndexMode mode : testing::kIndexModes) {
    for (const auto& [self, n, length] : std::vector<std::tuple<Shape, int64_t, int64_t>>{
             {{3, 4, 5}, 0, 1}, {{3, 4, 5}, 3, 0}, {{3, 4, 0}, 3, 1}, {{0, 4, 5}, 0, 1}, {{3, 0, 5}, 0, 0}}) {
      Problem p = Cache(mode, Format::kInt8, self, n, length, rng);
      TestTensor out(p.self.dtype(), self, rng);
      const Bytes expected = p.Unfused(rng);
      EXPECT_EQ(p.CheckInPlace(expected, {}), "");
      EXPECT_EQ(p.CheckFunctional(expected, out, {}), "");
    }
  }
}

TEST(QuantScatter, CallersFloatingPointStateDoesNotMatter) {
  Rng rng(6);
  for (int round = 0; round < 40; ++round) {
    Problem p =
        Cache(PickFrom(rng, testing::kIndexModes), kCodeFormats[static_cast<size_t>(round) % 4], {6, 5, 70}, 6, 2, rng);
    const Bytes expected = p.Unfused(rng);
    testing::OnEachTarget([&](Target target) {
      for (const testing::FpWord word : testing::OddFpWords()) {
        const testing::ScopedFpWord scoped(word);
        EXPECT_EQ(p.CheckInPlace(expected, {}), "") << Name(target);
        EXPECT_TRUE(scoped.Unchanged());
      }
    });
  }
}

// An anchor that shares nothing with the library: halves go to the even code, a fractional zero point counts.
TEST(QuantScatter, Numbers) {
  int8_t cache[2][3][4] = {};
  const float updates[4] = {1.0f, 2.0f, -500.0f, 3.0f};
  const float scale[4] = {2.0f, 0.5f, 1.0f, 0.0f}, zero = 0.25f;
  const int64_t slot[1] = {4};
  QuantScatterInPlaceArgs args;
  args.self = {cache, DType::kInt8, {2, 3, 4}};
  args.indices = {slot, DType::kInt64, {1}};
  args.updates = {updates, DType::kFloat32, {1, 4}};
  args.quant_scales = {scale, DType::kFloat32, {4}};
  args.quant_zero_points = {&zero, DType::kFloat32, {1}};
  args.index_mode = IndexMode::kSlot;
  ASSERT_TRUE(QuantScatterInPlace(args).ok());
  const int8_t expected[4] = {1, 4, -128, 127};
  for (int page = 0; page < 2; ++page) {
    for (int at = 0; at < 3; ++at) {
      for (int k = 0; k < 4; ++k) EXPECT_EQ(cache[page][at][k], page == 1 && at == 1 ? expected[k] : 0);
    }
  }
}

}  // namespace
}  // namespace kvant
