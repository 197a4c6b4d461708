#include <gtest/gtest.h>

#include <iterator>

#include "kvant/numerics/test_util.h"
#include "kvant/ops/dequantize/problem_test_util.h"
#include "kvant/ops/dynamic_quant/dynamic_quant.h"
#include "kvant/rowwise/cpu_tuning.h"
#include "kvant/testing/each_target.h"
#include "kvant/testing/fp_state.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace {

using testing::DequantizeProblem;
using testing::kFloats;
using testing::kFormats;
using testing::Layout;
using testing::OneIn;
using testing::Rng;
using testing::Shape;
using testing::TestTensor;
using testing::ThreadPool;
using testing::Uniform;

void ExpectRight(DequantizeProblem& p, const ExecOptions& exec = {}) {
  const std::vector<uint8_t> expected = p.Expected();
  testing::OnEachTarget([&](Target target) { EXPECT_EQ(p.Check(expected, exec), "") << Name(target); });
}

TEST(Dequantize, EveryCodeIsExact) {
  Rng rng(1);
  for (const Format format : kFormats) {
    for (const DType result : kFloats) {
      DequantizeProblem p;
      p.format = format;
      p.has_offset = false;
      p.y = TestTensor(StorageType(format), {256}, rng);
      for (int i = 0; i < 256; ++i) *p.y.At(i) = static_cast<uint8_t>(i);
      p.scale = TestTensor(DType::kFloat32, {}, rng);
      p.scale.Set(0, 1.0f);
      p.x = TestTensor(result, {256 * CodesPerElement(format, p.y.dtype())}, rng);
      ExpectRight(p);
    }
  }
}

constexpr uint32_t kSpecials[] = {0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007FFFFF, 0x00800000, 0x3F800000,
                                  0xBF800000, 0x3F000000, 0x7F7FFFFF, 0xFF7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000,
                                  0xFFC00001, 0x7F800001, 0x38800000, 0x33000000, 0x477FE000, 0x43000000, 0xC2FF0000};

// Every code with every pair of special parameters, in the row form and in the column form of the kernels.
TEST(Dequantize, SpecialParameters) {
  Rng rng(2);
  constexpr int64_t kCount = std::size(kSpecials), kPairs = kCount * kCount + 1, kCodes = 256;
  for (const Format format : kFormats) {
    const int64_t per_element = CodesPerElement(format, StorageType(format));
    for (const DType result : kFloats) {
      for (const bool by_row : {true, false}) {
        DequantizeProblem p;
        p.format = format;
        p.mode = by_row ? QuantMode::kPerToken : QuantMode::kPerChannel;
        const Shape shape = by_row ? Shape{kPairs, kCodes * per_element} : Shape{kCodes, kPairs};
        p.x = TestTensor(result, shape, rng);
        p.y = TestTensor(StorageType(format), {shape[0], shape[1] / per_element}, rng);
        for (int64_t i = 0; i < p.y.elements(); ++i) {
          *p.y.At(i) = static_cast<uint8_t>(by_row ? i % p.y.shape()[1] : i / p.y.shape()[1]);
        }
        p.scale = p.offset = TestTensor(DType::kFloat32, {kPairs}, rng);
        for (int64_t i = 0; i < kPairs; ++i) {
          p.scale.Set(i, kSpecials[i % kCount]);
          p.offset.Set(i, kSpecials[i / kCount % kCount]);
        }
        for (const bool negate : {false, true}) {
          p.negate = negate;
          ExpectRight(p);
        }
      }
    }
  }
}

TEST(Dequantize, AnyShapeAndLayout) {
  Rng rng(3);
  const ThreadPool two(2), seven(7);
  const std::vector<const ParallelFor*> pools = {&SerialFor(), two.get(), seven.get()};
  for (int round = 0; round < 1500; ++round) {
    const Shape shape = testing::RandomShape(rng, Uniform(rng, 1, 8), 3000);
    DequantizeProblem p(kFormats[static_cast<size_t>(round) % 5], kFloats[static_cast<size_t>(round) / 5 % 3], shape,
                        /*any_layout=*/true, rng);
    ExecOptions exec;
    exec.parallel = PickFrom(rng, pools);
    exec.stores = static_cast<Stores>(Uniform(rng, 0, 2));
    ExpectRight(p, exec);
    if (HasFailure()) return;
  }
}

// Rows of every length around the sizes of vectors and blocks, with both kinds of stores.
TEST(Dequantize, EveryRowLength) {
  Rng rng(4);
  for (const Format format : kFormats) {
    for (const DType result : kFloats) {
      for (int64_t n = 1; n <= 300; n += n < 140 ? 1 : 23) {
        DequantizeProblem p(format, result, {3, n}, /*any_layout=*/false, rng);
        ExecOptions exec;
        exec.stores = n % 3 == 0 ? Stores::kStreaming : Stores::kNormal;
        ExpectRight(p, exec);
        if (HasFailure()) return;
      }
    }
  }
}

// Large enough to be cut, by rows and within rows.
TEST(Dequantize, ThreadsDoNotMatter) {
  Rng rng(5);
  const ThreadPool two(2), seven(7);
  const std::vector<Shape> shapes = {{1, 300000}, {3, 100000}, {2048, 128}, {90, 2101}};
  for (const Shape& shape : shapes) {
    for (const Format format : {Format::kInt8, Format::kInt4, Format::kFloat8E4M3FN}) {
      DequantizeProblem p(format, PickFrom(rng, kFloats), shape, /*any_layout=*/false, rng);
      const std::vector<uint8_t> expected = p.Expected();
      for (const ParallelFor* parallel : {&SerialFor(), two.get(), seven.get()}) {
        for (const Stores stores : {Stores::kAuto, Stores::kNormal, Stores::kStreaming}) {
          EXPECT_EQ(p.Check(expected, {parallel, nullptr, 0, stores}), "");
        }
      }
    }
  }
  EXPECT_GT(two.tasks(), 0);
  EXPECT_GT(seven.tasks(), 0);
}

// What is larger than L2 is asked for ahead where columns have parameters of their own.
TEST(Dequantize, MoreThanL2Holds) {
  if (SlowMachine()) GTEST_SKIP() << "five million elements";
  Rng rng(9);
  constexpr int64_t kRows = 130, kColumns = 8300;
  static_assert(kRows * kColumns * 4 >= kBeyondL2);
  for (const Format format : kFormats) {
    DequantizeProblem p(format, DType::kFloat32, {kRows, kColumns}, /*any_layout=*/false, rng);
    p.mode = QuantMode::kPerChannel;
    p.group_size = 0;
    p.scale = p.offset = TestTensor(DType::kFloat32, p.ParameterShape(p.x.shape()), rng);
    testing::FillParameters(p.scale, rng);
    testing::FillParameters(p.offset, rng);
    const std::vector<uint8_t> expected = p.Expected();
    for (const Stores stores : {Stores::kNormal, Stores::kStreaming}) {
      EXPECT_EQ(p.Check(expected, {&SerialFor(), nullptr, 0, stores}), "") << Name(format);
    }
  }
}

TEST(Dequantize, OneScaleNeedsNoDimension) {
  Rng rng(10);
  DequantizeProblem p;
  p.mode = QuantMode::kPerTensor;
  p.y = TestTensor(DType::kInt8, {5, 70}, rng);
  p.scale = p.offset = TestTensor(DType::kFloat32, {}, rng);
  p.scale.Set(0, 0.75f);
  p.offset.Set(0, 2.5f);
  p.x = TestTensor(DType::kFloat16, {5, 70}, rng);
  ExpectRight(p);
}

TEST(Dequantize, EmptyTensors) {
  Rng rng(6);
  const std::vector<Shape> shapes = {{0}, {0, 8}, {8, 0}, {2, 0, 4}};
  for (const Shape& shape : shapes) {
    for (const QuantMode mode : testing::kModes) {
      if (mode == QuantMode::kPerChannel && shape.size() < 2) continue;
      DequantizeProblem p;
      p.mode = mode;
      p.y = TestTensor(DType::kInt8, shape, rng);
      p.scale = p.offset = TestTensor(DType::kFloat32, p.ParameterShape(shape), rng);
      p.x = TestTensor(DType::kFloat32, shape, rng);
      ExpectRight(p);
    }
  }
}

// Results may be subnormal, so the caller's flushing must not reach the arithmetic, and must be there afterwards.
TEST(Dequantize, CallersFloatingPointStateDoesNotMatter) {
  Rng rng(7);
  for (const DType result : kFloats) {
    DequantizeProblem p;
    p.y = TestTensor(DType::kInt8, {7, 65}, rng);
    p.scale = p.offset = TestTensor(DType::kFloat32, {7}, rng);
    for (int i = 0; i < 7; ++i) p.scale.Set(i, std::ldexp(1.0f, -140 + i));
    for (int i = 0; i < 7; ++i) p.offset.Set(i, std::ldexp(3.0f, -146 + i));
    p.x = TestTensor(result, {7, 65}, rng);
    const std::vector<uint8_t> expected = p.Expected();
    testing::OnEachTarget([&](Target target) {
      for (const testing::FpWord word : testing::OddFpWords()) {
        const testing::ScopedFpWord scoped(word);
        EXPECT_EQ(p.Check(expected, {}), "") << Name(target);
        EXPECT_TRUE(scoped.Unchanged());
      }
    });
  }
}

// What dynamic_quant wrote comes back within half a step, and a little for the rounding of large offsets.
TEST(Dequantize, UndoesDynamicQuant) {
  Rng rng(8);
  constexpr int64_t kRows = 9, kLength = 130;
  for (const Format format : {Format::kInt8, Format::kInt4}) {
    for (const bool symmetric : {false, true}) {
      TestTensor x(DType::kFloat32, {kRows, kLength}, rng), back = x;
      TestTensor y(StorageType(format), {kRows, kLength / CodesPerElement(format, StorageType(format))}, rng);
      TestTensor scale(DType::kFloat32, {kRows}, rng), offset = scale;
      for (int64_t i = 0; i < x.elements(); ++i) x.Set(i, 3 * testing::Moderate(rng) + 0.5f);
      DynamicQuantArgs quantize;
      quantize.x = x.view();
      quantize.dst_type = format;
      quantize.symmetric = symmetric;
      quantize.y = y.view();
      quantize.scale = scale.view();
      if (!symmetric) quantize.offset = offset.view();
      DequantizeArgs args;
      args.y = y.view();
      args.scale = scale.view();
      if (!symmetric) args.offset = offset.view();
      args.dst_type = format;
      args.x = back.view();
      ASSERT_TRUE(DynamicQuant(quantize).ok());
      ASSERT_TRUE(Dequantize(args).ok());
      const float range = format == Format::kInt8 ? 255 : 15;
      for (int64_t i = 0; i < x.elements(); ++i) {
        const float o = symmetric ? 0 : offset.Get<float>(i / kLength);
        const float most = scale.Get<float>(i / kLength) * (0.5f + 0x1p-22f * (std::fabs(o) + range));
        EXPECT_LE(std::fabs(x.Get<float>(i) - back.Get<float>(i)), most) << i;
      }
    }
  }
}

}  // namespace
}  // namespace kvant
