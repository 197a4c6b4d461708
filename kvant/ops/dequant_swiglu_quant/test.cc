// The same bytes on every target, for any threads, strides, stores and floating-point state; a few results by hand.
// Whether they are the right ones is asked in tests/python/test_swiglu.py.
#include <gtest/gtest.h>

#include "kvant/ops/dequant_swiglu_quant/problem_test_util.h"
#include "kvant/testing/each_target.h"
#include "kvant/testing/fp_state.h"

namespace kvant {
namespace {

using testing::OneIn;
using testing::RandomSwiglu;
using testing::Rng;
using testing::Shape;
using testing::SwigluProblem;
using testing::ThreadPool;
using testing::Uniform;

using Bytes = std::vector<uint8_t>;

const std::vector<DType> kInputs = {DType::kInt32, DType::kFloat16, DType::kBFloat16, DType::kFloat32};
const std::vector<Format> kCodeFormats = {Format::kInt8, Format::kFloat8E4M3FN, Format::kFloat8E5M2, Format::kHiFloat8};

// What the scalar reference makes of contiguous copies.
Bytes Expected(SwigluProblem& p, Rng& rng) {
  const testing::ScopedTarget scalar(Target::kScalar);
  return p.Plain(rng);
}

TEST(DequantSwigluQuant, RandomProblems) {
  Rng rng(1);
  const ThreadPool two(2), seven(7);
  const std::vector<const ParallelFor*> pools = {&SerialFor(), two.get(), seven.get()};
  static const std::vector<int64_t> kWidths = {1, 2, 15, 16, 17, 31, 63, 64, 65, 127, 200, 300};
  for (const DType dtype : kInputs) {
    for (const Format format : kCodeFormats) {
      for (int round = 0; round < 120; ++round) {
        Shape lead;
        for (int64_t d = Uniform(rng, 0, 3); d > 0; --d) lead.push_back(OneIn(rng, 40) ? 0 : Uniform(rng, 1, 5));
        SwigluProblem p = RandomSwiglu(dtype, format, lead, PickFrom(rng, kWidths), OneIn(rng, 2), rng);
        const Bytes expected = Expected(p, rng);
        const ExecOptions exec{PickFrom(rng, pools), nullptr, 0, static_cast<Stores>(Uniform(rng, 0, 2))};
        testing::OnEachTarget([&](Target target) { EXPECT_EQ(p.Check(expected, exec), "") << Name(target); });
        if (HasFailure()) return;
      }
    }
  }
}

// Long rows, alone and few, are cut; their values are made twice where flushing might have mattered.
TEST(DequantSwigluQuant, ThreadsDoNotMatter) {
  Rng rng(2);
  const auto pools = testing::SomePools();
  const struct {
    Shape lead;
    int64_t h;
  } kCases[] = {{{1}, 40000}, {{3}, 20001}, {{2, 5}, 9000}, {{300}, 700}, {{7}, 8192}};
  for (const auto& c : kCases) {
    for (int round = 0; round < 8; ++round) {
      SwigluProblem p =
          RandomSwiglu(PickFrom(rng, kInputs), PickFrom(rng, kCodeFormats), c.lead, c.h, OneIn(rng, 4), rng);
      const Bytes expected = Expected(p, rng);
      for (const auto& pool : pools) {
        EXPECT_EQ(p.Check(expected, {pool->get(), nullptr, 0, static_cast<Stores>(Uniform(rng, 0, 2))}), "");
      }
      const ParallelFor idle{round % 2 == 0 ? 8 : 0, nullptr, nullptr};
      EXPECT_EQ(p.Check(expected, {&idle}), "");
      if (HasFailure()) return;
    }
  }
  for (size_t i = 1; i < pools.size(); ++i) EXPECT_GT(pools[i]->tasks(), 0);
}

TEST(DequantSwigluQuant, CallersFloatingPointStateDoesNotMatter) {
  Rng rng(3);
  for (const testing::FpWord word : testing::OddFpWords()) {
    for (const DType dtype : kInputs) {
      for (int round = 0; round < 12; ++round) {
        SwigluProblem p = RandomSwiglu(dtype, PickFrom(rng, kCodeFormats), {3}, 90, OneIn(rng, 2), rng);
        const Bytes expected = Expected(p, rng);
        testing::OnEachTarget([&](Target target) {
          std::string found;
          bool kept = false;
          {
            const testing::ScopedFpWord scoped(word);
            found = p.Check(expected, {});
            kept = scoped.Unchanged();
          }
          EXPECT_EQ(found, "") << Name(target);
          EXPECT_TRUE(kept) << Name(target);
        });
        // On the threads of a pool as well.
        const ThreadPool pool(3, [word](const std::function<void()>& work) {
          const testing::ScopedFpWord scoped(word);
          work();
        });
        EXPECT_EQ(p.Check(expected, {pool.get(), nullptr, 0, Stores::kAuto}), "");
        if (HasFailure()) return;
      }
    }
  }
}

TEST(DequantSwigluQuant, UsesTheCallersWorkspace) {
  Rng rng(4);
  SwigluProblem p = RandomSwiglu(DType::kInt32, Format::kInt8, {5}, 1000, false, rng);
  const Bytes expected = Expected(p, rng);
  std::vector<char> memory(1 << 20);
  for (const size_t bytes : {size_t{0}, size_t{100}, size_t{4096}, memory.size() - 1}) {
    EXPECT_EQ(p.Check(expected, {&SerialFor(), memory.data() + 1, bytes, Stores::kAuto}), "");
  }
}

// act, lin = 2, 3 and 0, -1 and -1, 1: s by exp of the C library.
TEST(DequantSwigluQuant, ByHand) {
  const float x[] = {3, -1, 1, 2, 0, -1};
  int8_t y[3];
  float scale = -1;
  DequantSwigluQuantArgs args;
  args.x = ConstTensorView(x, DType::kFloat32, {6});
  args.quant_mode = ScaleSource::kDynamic;
  args.y = TensorView(y, DType::kInt8, {3});
  args.scale = TensorView(&scale, DType::kFloat32, {});
  ASSERT_TRUE(DequantSwigluQuant(args).ok());
  const float s = 2 / (1 + std::exp(-2.0f)) * 3, last = -1 / (1 + std::exp(1.0f));
  EXPECT_NEAR(scale, s / 127, 1e-7);
  EXPECT_EQ(y[0], 127);
  EXPECT_EQ(y[1], 0);
  EXPECT_EQ(y[2], static_cast<int8_t>(std::lrint(last / s * 127)));

  args.activate_left = true;  // act 3, -1, 1 and lin 2, 0, -1
  args.quant_mode = ScaleSource::kStatic;
  const float quant_scale = 0.125f, quant_offset = -10;
  args.quant_scale = ConstTensorView(&quant_scale, DType::kFloat32, {1});
  args.quant_offset = ConstTensorView(&quant_offset, DType::kFloat32, {1});
  ASSERT_TRUE(DequantSwigluQuant(args).ok());
  EXPECT_EQ(scale, 0);
  EXPECT_EQ(y[0], std::lrint(3 / (1 + std::exp(-3.0f)) * 2 / 0.125f - 10));
  EXPECT_EQ(y[1], -10);
  EXPECT_EQ(y[2], std::lrint(-1 / (1 + std::exp(-1.0f)) / 0.125f - 10));
}

// alpha * a = 0 * -inf is a NaN though a is none, and so is all that follows from it.
TEST(DequantSwigluQuant, NaNOfAlpha) {
  std::vector<float> x(2 * 80, 1.0f);
  x[3] = -std::numeric_limits<float>::infinity();
  std::vector<uint8_t> y(80);
  float scale = 0;
  DequantSwigluQuantArgs args;
  args.x = ConstTensorView(x.data(), DType::kFloat32, {160});
  args.activate_left = true;
  args.quant_mode = ScaleSource::kDynamic;
  args.dst_type = Format::kFloat8E4M3FN;
  args.swiglu_mode = SwigluMode::kClamped;
  args.glu_alpha = 0;
  args.y = TensorView(y.data(), DType::kUInt8, {80});
  args.scale = TensorView(&scale, DType::kFloat32, {});
  testing::OnEachTarget([&](Target target) {
    ASSERT_TRUE(DequantSwigluQuant(args).ok());
    EXPECT_TRUE(std::isnan(scale)) << Name(target);
    for (const uint8_t code : y) EXPECT_EQ(code, 0x7F) << Name(target);
  });
}

// Rows past the last group are zeros even where x is NaN, and nothing of x is needed for them.
TEST(DequantSwigluQuant, RowsPastTheGroups) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float x[3][4] = {{1, 2, 3, 4}, {nan, nan, nan, nan}, {nan, 1, 1, 1}};
  const int64_t counts[] = {0, 1, 0};
  for (const ScaleSource mode : {ScaleSource::kStatic, ScaleSource::kDynamic}) {
    uint8_t y[3][2] = {{9, 9}, {9, 9}, {9, 9}};
    float scale[3] = {9, 9, 9};
    DequantSwigluQuantArgs args;
    args.x = ConstTensorView(x, DType::kFloat32, {3, 4});
    args.group_index = ConstTensorView(counts, DType::kInt64, {3});
    args.quant_mode = mode;
    args.dst_type = Format::kFloat8E4M3FN;
    args.y = TensorView(y, DType::kUInt8, {3, 2});
    args.scale = TensorView(scale, DType::kFloat32, {3});
    ASSERT_TRUE(DequantSwigluQuant(args).ok());
    EXPECT_NE(y[0][1], 0);
    EXPECT_EQ(mode == ScaleSource::kDynamic, scale[0] != 0);
    for (int r = 1; r < 3; ++r) {
      EXPECT_EQ(scale[r], 0);
      EXPECT_EQ(y[r][0] | y[r][1], 0);
    }
  }
}

}  // namespace
}  // namespace kvant
