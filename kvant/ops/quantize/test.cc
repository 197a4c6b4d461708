#include <gtest/gtest.h>

#include "kvant/numerics/test_util.h"
#include "kvant/ops/quantize/problem_test_util.h"
#include "kvant/rowwise/cpu_tuning.h"
#include "kvant/testing/each_target.h"
#include "kvant/testing/fp_state.h"

namespace kvant {
namespace {

using testing::kFloats;
using testing::kFormats;
using testing::Layout;
using testing::OneIn;
using testing::QuantizeProblem;
using testing::Rng;
using testing::Shape;
using testing::TestTensor;
using testing::ThreadPool;
using testing::Uniform;

void ExpectRight(QuantizeProblem& p, const ExecOptions& exec = {}) {
  const std::vector<uint8_t> expected = p.Expected();
  testing::OnEachTarget([&](Target target) { EXPECT_EQ(p.Check(expected, exec), "") << Name(target); });
}

TEST(Quantize, AnyShapeAndLayout) {
  Rng rng(1);
  const ThreadPool two(2), seven(7);
  const std::vector<const ParallelFor*> pools = {&SerialFor(), two.get(), seven.get()};
  for (size_t round = 0; round < 3000; ++round) {
    const Shape shape = testing::RandomShape(rng, Uniform(rng, 1, 8), 3000);
    QuantizeProblem p =
        testing::RandomQuantize(kFormats[round % 5], kFloats[round / 5 % 3], shape, /*any_layout=*/true, rng);
    ExecOptions exec;
    exec.parallel = PickFrom(rng, pools);
    exec.stores = static_cast<Stores>(Uniform(rng, 0, 2));
    ExpectRight(p, exec);
    if (HasFailure()) return;
  }
}

// Rows of every length around the sizes of vectors and blocks; one parameter a row, one a column, and one a few
// columns.
TEST(Quantize, EveryRowLength) {
  Rng rng(2);
  for (const Format format : kFormats) {
    for (int64_t n = 2; n <= 600; n += n < 300 ? 2 : 46) {
      const int64_t odd = format == Format::kInt4 || OneIn(rng, 2) ? 0 : 1;
      QuantizeProblem p =
          testing::RandomQuantize(format, testing::PickFrom(rng, kFloats), {5, n + odd}, /*any_layout=*/false, rng);
      ExpectRight(p);
      p = testing::RandomQuantize(format, testing::PickFrom(rng, kFloats), {5, 7, n % 64 + 2}, /*any_layout=*/false,
                                  rng);
      ExpectRight(p);
      if (HasFailure()) return;
    }
  }
}

// Large enough to be cut, by rows and within rows, and for panels of columns.
TEST(Quantize, ThreadsDoNotMatter) {
  Rng rng(3);
  const ThreadPool two(2), seven(7);
  const std::vector<Shape> shapes = {{1, 300000}, {3, 100000}, {2048, 128}, {64, 5002}};
  for (const Shape& shape : shapes) {
    for (const Format format : kFormats) {
      QuantizeProblem p =
          testing::RandomQuantize(format, testing::PickFrom(rng, kFloats), shape, /*any_layout=*/false, rng);
      const std::vector<uint8_t> expected = p.Expected();
      for (const ParallelFor* parallel : {&SerialFor(), two.get(), seven.get()}) {
        for (const Stores stores : {Stores::kAuto, Stores::kStreaming}) {
          EXPECT_EQ(p.Check(expected, {parallel, nullptr, 0, stores}), "");
        }
      }
    }
  }
  EXPECT_GT(two.tasks(), 0);
  EXPECT_GT(seven.tasks(), 0);
}

// What is larger than L2 is asked for ahead: one long row, a parameter for each of three panels of columns, rows of
// three pieces with a parameter each.
TEST(Quantize, MoreThanL2Holds) {
  if (SlowMachine()) GTEST_SKIP() << "four million elements";
  Rng rng(7);
  const ThreadPool two(2);
  constexpr int64_t kRows = 130, kColumns = 8300;
  static_assert(kRows * kColumns * 4 >= kBeyondL2);
  for (const Format format : {Format::kInt8, Format::kInt4, Format::kFloat8E4M3FN}) {
    for (const int axis : {-1, 0}) {
      for (const int64_t parameters : {int64_t{1}, axis == 0 ? kRows : kColumns}) {
        QuantizeProblem p = testing::RandomQuantize(format, DType::kFloat32, {kRows, kColumns}, false, rng);
        p.axis = axis;
        p.scales = testing::RandomParameters(DType::kFloat32, {parameters}, Layout::kContiguous, false, rng);
        p.zero_points = testing::RandomParameters(DType::kFloat32, {parameters}, Layout::kContiguous, true, rng);
        const std::vector<uint8_t> expected = p.Expected();
        for (const Stores stores : {Stores::kNormal, Stores::kStreaming}) {
          EXPECT_EQ(p.Check(expected, {two.get(), nullptr, 0, stores}), "");
        }
      }
    }
  }
}

// Dimensions in an order of their own: the channels of an image innermost, or few elements after the axis.
TEST(Quantize, AxisAnywhere) {
  Rng rng(4);
  const Shape shape = {3, 20, 5, 6};
  const std::vector<Shape> orders = {{600, 30, 6, 1}, {600, 1, 120, 20}, {1, 90, 18, 3}, {30, 90, 6, 1}};
  for (const Shape& strides : orders) {
    for (int axis = -4; axis < 4; ++axis) {
      for (const Format format : {Format::kInt8, Format::kFloat8E5M2}) {
        QuantizeProblem p = testing::RandomQuantize(format, DType::kBFloat16, shape, /*any_layout=*/false, rng);
        p.axis = axis;
        const int64_t n = shape[static_cast<size_t>(axis < 0 ? axis + 4 : axis)];
        p.scales = testing::RandomParameters(DType::kFloat32, {n}, Layout::kContiguous, false, rng);
        p.zero_points = testing::RandomParameters(DType::kFloat16, {n}, Layout::kContiguous, true, rng);
        p.x = TestTensor(DType::kBFloat16, shape, strides, rng);
        p.y = TestTensor(StorageType(format), shape, strides, rng);
        ExpectRight(p);
      }
    }
  }
}

TEST(Quantize, EmptyTensors) {
  Rng rng(5);
  const std::vector<Shape> shapes = {{0}, {0, 8}, {8, 0}, {2, 0, 4}};
  for (const Shape& shape : shapes) {
    for (int axis = 0; axis < static_cast<int>(shape.size()); ++axis) {
      for (const bool single : {false, true}) {
        QuantizeProblem p;
        p.axis = axis;
        p.x = TestTensor(DType::kFloat16, shape, rng);
        p.scales = TestTensor(DType::kFloat32, {single ? 1 : shape[static_cast<size_t>(axis)]}, rng);
        p.MakeY(rng);
        ExpectRight(p);
      }
    }
  }
}

TEST(Quantize, CallersFloatingPointStateDoesNotMatter) {
  Rng rng(6);
  for (int round = 0; round < 60; ++round) {
    QuantizeProblem p = testing::RandomQuantize(kFormats[static_cast<size_t>(round) % 5], DType::kFloat32, {6, 70},
                                                /*any_layout=*/false, rng);
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

}  // namespace
}  // namespace kvant
