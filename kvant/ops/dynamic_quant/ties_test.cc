// Exact ties at scales of every size. x is half way between two codes, times a scale that is not a power of two: the
// correctly rounded quotient is the tie, and one that is a unit off, because a residual was flushed, rounded or lost,
// is the wrong code.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kvant/numerics/test_util.h"
#include "kvant/testing/check_dynamic_quant.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace {

using testing::CheckOnEachTarget;
using testing::kFormats;
using testing::Rng;
using testing::RowwiseProblem;
using testing::Shape;
using testing::TestTensor;
using testing::Uniform;

class DynamicQuantTies : public ::testing::TestWithParam<Format> {};

// A row for every power of two: its largest element is D times the scale, its smallest, when asymmetric, D - R times,
// so that the scale is this one exactly; the others are ties: all of them, or `columns` in all. All are shifted by as
// many steps, which the offset undoes.
RowwiseProblem MakeTies(Format format, DType dtype, bool symmetric, QuantMode mode, double dst_type_max, Rng& rng,
                        int64_t shift_up_to = 1000, size_t columns = 0) {
  RowwiseProblem p;
  p.format = format;
  p.symmetric = symmetric;
  p.mode = mode;
  p.dst_type_max = dst_type_max;
  const double d = testing::LargestByDefinition(format, dst_type_max),
               r = testing::RangeByDefinition(format, dst_type_max);
  const double least = symmetric ? -d : d - r;
  std::vector<double> ties = {d, least};
  for (const double tie : testing::TiesByDefinition(format)) {
    if (tie < d && tie > least) ties.push_back(tie);
  }
  if (ties.size() % 2 != 0) ties.push_back(0);
  if (columns != 0) {
    std::shuffle(ties.begin() + 2, ties.end(), rng);
    for (size_t i = 2; ties.size() < columns; ++i) ties.push_back(ties[i]);
    ties.resize(columns);
  } else {
    for (size_t i = 0; ties.size() < 160; ++i) ties.push_back(ties[i]);  // shorter rows are encoded by other code
  }
  const auto n = static_cast<int64_t>(ties.size());
  const int64_t step = SlowMachine() ? 23 : 1, sets = 2 * (278 / step);
  const bool channels = mode == QuantMode::kPerChannel;
  p.x = TestTensor(dtype, channels ? Shape{n, sets} : Shape{sets, n}, rng);
  std::vector<float> values(static_cast<size_t>(sets * n));
  for (int64_t s = 0; s < sets; ++s) {
    // Odd and of few bits: products with ties are exact.
    const auto m =
        static_cast<double>(dtype == DType::kFloat32 ? 2 * Uniform(rng, 1, 511) + 1 : 2 * Uniform(rng, 1, 3) + 1);
    const double scale = std::ldexp(m, static_cast<int>(s / 2 * step) - 159);
    const auto shift = static_cast<double>(
        !symmetric && s % 2 == 1 && IsInteger(format) ? Uniform(rng, -shift_up_to, shift_up_to) : 0);
    for (int64_t i = 0; i < n; ++i) {
      const auto at = static_cast<size_t>(channels ? i * sets + s : s * n + i);
      values[at] = static_cast<float>((ties[static_cast<size_t>(i)] + shift) * scale);
    }
  }
  p.x.SetFloats(values);
  p.x.Keep();
  p.MakeOutputs(rng);
  return p;
}

TEST_P(DynamicQuantTies, AtEveryScale) {
  Rng rng(1);
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    for (const bool symmetric : {true, false}) {
      for (const QuantMode mode : {QuantMode::kPerToken, QuantMode::kPerChannel}) {
        RowwiseProblem p = MakeTies(GetParam(), dtype, symmetric, mode, 0, rng);
        ASSERT_EQ(CheckOnEachTarget(p), "");
      }
    }
  }
}

// Rows that are encoded many at a time. INT8 and INT4 take no quotients as long as offsets are small, and a batch has
// rows whose offsets are not.
TEST_P(DynamicQuantTies, OfShortRows) {
  Rng rng(4);
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    for (const size_t columns : {16, 32, 48, 64, 128}) {
      for (const int64_t shift : {0, 45, 1000}) {
        RowwiseProblem p = MakeTies(GetParam(), dtype, false, QuantMode::kPerToken, 0, rng, shift, columns);
        ASSERT_EQ(CheckOnEachTarget(p), "") << columns;
      }
      RowwiseProblem p = MakeTies(GetParam(), dtype, true, QuantMode::kPerToken, 0, rng, 0, columns);
      ASSERT_EQ(CheckOnEachTarget(p), "") << columns;
    }
  }
}

// Elements a hair above or below a tie, where one unit of the quotient decides.
TEST_P(DynamicQuantTies, AHairBesideThem) {
  Rng rng(3);
  for (const bool symmetric : {true, false}) {
    for (int round = 0; round < (SlowMachine() ? 1 : 8); ++round) {
      const size_t columns = round % 2 == 0 ? 0 : size_t{32} << Uniform(rng, 0, 1);
      RowwiseProblem p = MakeTies(GetParam(), DType::kFloat32, symmetric, QuantMode::kPerToken, 0, rng,
                                  columns == 0 ? 4000 : 45, columns);
      std::vector<float> values = p.x.Floats();
      const auto n = static_cast<size_t>(p.x.shape().back());
      for (size_t i = 0; i < values.size(); ++i) {
        if (i % n < 2) continue;  // the ends of the row, which make its scale
        const float least = std::min(values[i / n * n], values[i / n * n + 1]);
        const float step = (values[i / n * n] - least) * 0x1p-8f;  // about the scale
        float& v = values[i];
        const float there = v;
        switch (Uniform(rng, 0, 2)) {
          case 0:
            for (int64_t k = Uniform(rng, 1, 3); k > 0; --k) v = std::nextafter(v, i % 2 == 0 ? INFINITY : -INFINITY);
            break;
          case 1:
            v += step * static_cast<float>(Uniform(rng, -64, 64)) * 0x1p-20f;
            break;
          default:
            v += step * static_cast<float>(Uniform(rng, -64, 64)) * 0x1p-17f;
        }
        if (!(v > least && v < values[i / n * n])) v = there;
      }
      p.x.SetFloats(values);
      p.x.Keep();
      ASSERT_EQ(CheckOnEachTarget(p), "");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, DynamicQuantTies, ::testing::ValuesIn(kFormats),
                         [](const auto& info) { return std::string(Name(info.param)); });

// A small D makes large scales, up to the largest number there is, and inverses that are subnormal.
TEST(DynamicQuantTiesOfHiFloat8, WithSmallDstTypeMax) {
  Rng rng(2);
  for (const double dst_type_max : {15.0, 1.0, 0x1p-4, 0x1p-15, 1e-6}) {
    for (const bool symmetric : {true, false}) {
      RowwiseProblem p =
          MakeTies(Format::kHiFloat8, DType::kFloat32, symmetric, QuantMode::kPerToken, dst_type_max, rng);
      ASSERT_EQ(CheckOnEachTarget(p), "");
    }
  }
}

}  // namespace
}  // namespace kvant
