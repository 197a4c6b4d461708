// quant_scatter is quantize followed by scatter_update, bit for bit.
#include <gtest/gtest.h>

#include "kvant/ops/quant_scatter/quant_scatter.h"
#include "kvant/ops/quantize/problem_test_util.h"
#include "kvant/ops/scatter_update/scatter_update.h"
#include "kvant/testing/each_target.h"
#include "kvant/testing/fp_state.h"
#include "kvant/testing/scatter_problem.h"

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

const std::vector<Format> kCodeFormats = {Format::kInt8, Format::kFloat8E4M3FN, Format::kFloat8E5M2, Format::kHiFloat8};

struct Problem : testing::ScatterProblem {
  Format format = Format::kInt8;
  bool reciprocal = false, has_zero = false;
  RoundMode round_mode = RoundMode::kRint;
  TestTensor scales, zero_points;

  QuantScatterInPlaceArgs InPlaceArgs() {
    QuantScatterInPlaceArgs args;
    args.self = self.view();
    args.indices = indices.view();
    args.updates = updates.view();
    args.quant_scales = scales.view();
    if (has_zero) args.quant_zero_points = zero_points.view();
    args.dst_type = format;
    args.axis = axis;
    args.reciprocal_scale = reciprocal;
    args.round_mode = round_mode;
    args.index_mode = mode;
    args.index_policy = policy;
    return args;
  }
  QuantScatterArgs Args(TestTensor& out) {
    const QuantScatterInPlaceArgs a = InPlaceArgs();
    QuantScatterArgs args;
    args.self = a.self;
    args.indices = a.indices;
    args.updates = a.updates;
    args.quant_scales = a.quant_scales;
    args.quant_zero_points = a.quant_zero_points;
    args.dst_type = a.dst_type;
    args.axis = a.axis;
    args.reciprocal_scale = a.reciprocal_scale;
    args.round_mode = a.round_mode;
    args.index_mode = a.index_mode;
    args.index_policy = a.index_policy;
    args.out = out.view();
    return args;
  }

  // The bytes of self after Quantize and ScatterUpdateInPlace.
  Bytes Unfused(Rng& rng) {
    TestTensor codes(self.dtype(), updates.shape(), rng);
    QuantizeArgs quantize;
    quantize.x = updates.view();
    quantize.scales = scales.view();
    if (has_zero) quantize.zero_points = zero_points.view();
    quantize.dst_type = format;
    quantize.reciprocal_scale = reciprocal;
    quantize.round_mode = round_mode;
    quantize.y = codes.view();
    EXPECT_TRUE(Quantize(quantize).ok());
    EXPECT_TRUE(ScatterUpdateInPlace({self.view(), indices.view(), codes.view(), axis, mode, policy}).ok());
    const Bytes bytes = self.Bytes();
    self.Reset();
    EXPECT_EQ(bytes, Expected(self.Bytes(), codes.Bytes()));
    return bytes;
  }

  // "" if the call gives these bytes in self and writes nothing else.
  std::string CheckInPlace(const Bytes& expected, const ExecOptions& exec) {
    self.Reset();
    if (const Status status = QuantScatterInPlace(InPlaceArgs(), exec); !status.ok()) return status.message();
    if (const Bytes bytes = self.Bytes(); bytes != expected) {
      size_t i = 0;
      while (bytes[i] == expected[i]) ++i;
      return "byte " + std::to_string(i) + " is " + std::to_string(bytes[i]) + ", expected " +
             std::to_string(expected[i]) + ": " + What();
    }
    if (!self.OnlyElementsWritten()) return "bytes between or around the elements were written: " + What();
    return InputsUntouched() ? "" : "an input was written: " + What();
  }
  std::string CheckFunctional(const Bytes& expected, TestTensor& out, const ExecOptions& exec) {
    self.Reset();
    out.Reset();
    if (const Status status = QuantScatter(Args(out), exec); !status.ok()) return status.message();
    if (out.Bytes() != expected) return "out has other bytes: " + What();
    if (!out.OnlyElementsWritten()) return "bytes between or around the elements of out were written: " + What();
    return self.Untouched() && InputsUntouched() ? "" : "an input was written: " + What();
  }
  bool InputsUntouched() const {
    return indices.Untouched() && updates.Untouched() && scales.Untouched() && zero_points.Untouched();
  }
  std::string What() const {
    return std::string(Name(format)) + (reciprocal ? " times " : " by ") + std::to_string(scales.elements()) + " " +
           Describe();
  }
};

void FillAttributes(Problem& p, bool any_layout, Rng& rng) {
  static const std::vector<DType> kZeroTypes = {DType::kInt32, DType::kFloat16, DType::kBFloat16, DType::kFloat32};
  const auto layout = [&] { return any_layout && OneIn(rng, 2) ? Layout::kStridedInput : Layout::kContiguous; };
  const int64_t columns = p.updates.shape().back();
  const testing::ValueSource values(static_cast<testing::Values>(Uniform(rng, 0, testing::kNumValues - 1)),
                                    p.updates.dtype(), rng);
  p.updates.ForEach([&](int64_t i, uint8_t*) {
    p.updates.SetFloat(i, OneIn(rng, 300) ? testing::ValueSource::Special(rng) : values(rng));
  });
  p.updates.Keep();
  p.scales =
      testing::RandomParameters(PickFrom(rng, kFloats), testing::ParameterShape(columns, rng), layout(), false, rng);
  p.zero_points =
      testing::RandomParameters(PickFrom(rng, kZeroTypes), testing::ParameterShape(columns, rng), layout(), true, rng);
  p.scales.Keep();
  p.zero_points.Keep();
  p.has_zero = OneIn(rng, 2);
  p.reciprocal = OneIn(rng, 3);
  if (p.format == Format::kHiFloat8) p.round_mode = static_cast<RoundMode>(Uniform(rng, 0, 2));
}

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

Problem Cache(IndexMode mode, Format format, const Shape& self, int64_t n, int64_t length, Rng& rng) {
  Problem p;
  p.mode = mode;
  p.format = format;
  p.axis = 1;
  p.self = TestTensor(StorageType(format), self, rng);
  Shape update = self;
  update[0] = n;
  update[1] = length;
  if (mode == IndexMode::kSlot) update.erase(update.begin() + 1);
  p.updates = TestTensor(PickFrom(rng, kFloats), update, rng);
  const Shape pairs = {n, 2}, plain = {n};
  p.indices = TestTensor(DType::kInt64, mode == IndexMode::kPair ? pairs : plain, rng);
  testing::FillIndices(p, rng);
  FillAttributes(p, /*any_layout=*/false, rng);
  return p;
}

// Large enough for several tasks and several panels of columns; many duplicates where the mode has them.
TEST(QuantScatter, ThreadsDoNotMatter) {
  Rng rng(2);
  std::vector<std::unique_ptr<ThreadPool>> pools;
  for (int threads = 1; threads <= 8; ++threads) pools.push_back(std::make_unique<ThreadPool>(threads));
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
        Problem p = Cache(mode, format, {9, 16, 4, 32}, 8, 3, rng);
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
  const float updates[1][4] = {1.0f, 2.0f, -500.0f, 3.0f};
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
