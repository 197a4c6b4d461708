// Scales of every size and numbers of every kind, where kernels change their way of computing: division by
// multiplication with an inverse, lifted by a power of two, flushing subnormals, or none of that.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
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
using testing::kModes;
using testing::Rng;
using testing::RowwiseProblem;
using testing::Shape;
using testing::TestTensor;
using testing::Uniform;

// Rows (or channels) `sets` x `length`: f(set, i, rng) gives the numbers.
template <class Function>
RowwiseProblem MakeSets(Format format, DType dtype, QuantMode mode, bool symmetric, int64_t sets, int64_t length,
                        Rng& rng, const Function& f) {
  RowwiseProblem p;
  p.format = format;
  p.symmetric = symmetric;
  p.mode = mode;
  const bool channels = mode == QuantMode::kPerChannel;
  p.x = TestTensor(dtype, channels ? Shape{length, sets} : Shape{sets, length}, rng);
  std::vector<float> values(static_cast<size_t>(sets * length));
  for (int64_t s = 0; s < sets; ++s) {
    for (int64_t i = 0; i < length; ++i)
      values[static_cast<size_t>(channels ? i * sets + s : s * length + i)] = f(s, i, rng);
  }
  p.x.SetFloats(values);
  p.x.Keep();
  p.MakeOutputs(rng);
  return p;
}

constexpr int64_t kLengths[] = {34, 140, 1100};  // alone, in batches, alone again

class EveryBinade : public ::testing::TestWithParam<Format> {
 protected:
  static int64_t Lengths() { return SlowMachine() ? 2 : 3; }
};

// A row for each power of two that fp32 has, with all that its neighbours make of scale and offset.
TEST_P(EveryBinade, OfX) {
  Rng rng(1);
  const Format format = GetParam();
  for (const DType dtype : {DType::kBFloat16, DType::kFloat32}) {
    for (const bool symmetric : {true, false}) {
      for (const QuantMode mode : {QuantMode::kPerToken, QuantMode::kPerChannel}) {
        for (int64_t l = 0; l < Lengths(); ++l) {
          const int64_t length = mode == QuantMode::kPerChannel ? 9 : kLengths[l];
          RowwiseProblem p =
              MakeSets(format, dtype, mode, symmetric, 2 * 278, length, rng, [](int64_t s, int64_t i, Rng& r) {
                const int power = static_cast<int>(s / 2) - 150;
                // The largest element, then anything; the second row of a binade lies on one side of 0, away from it.
                const float v = i == 0 ? 1 + static_cast<float>(Uniform(r, 0, 255)) / 256 : testing::Moderate(r) / 4;
                return std::ldexp(s % 2 == 0 || i == 0 ? v : 1 + std::fabs(v) / 2, power);
              });
          ASSERT_EQ(CheckOnEachTarget(p), "");
        }
      }
    }
  }
}

// The same made by smooth scales, whose products may be subnormal where x is not.
TEST_P(EveryBinade, OfSmoothScales) {
  Rng rng(2);
  const Format format = GetParam();
  for (const DType dtype : kFloats) {
    for (const bool symmetric : {true, false}) {
      // One expert a row.
      const int64_t sets = 278, length = 66;
      RowwiseProblem p = MakeSets(format, dtype, QuantMode::kPerToken, symmetric, sets, length, rng,
                                  [](int64_t, int64_t, Rng& r) { return testing::Moderate(r); });
      p.group_index.emplace(DType::kInt32, Shape{sets}, rng);
      p.smooth.emplace(DType::kFloat32, Shape{sets, length}, rng);
      for (int64_t s = 0; s < sets; ++s) {
        p.group_index->Set(s, static_cast<int32_t>(s + 1));
        for (int64_t i = 0; i < length; ++i) {
          const float wide =
              std::ldexp(1.25f, static_cast<int>(s) - 150 - static_cast<int>(i % 3 == 0 ? Uniform(rng, 0, 40) : 0));
          p.smooth->Set(s * length + i, wide);
        }
      }
      p.smooth->Keep();
      p.group_index->Keep();
      ASSERT_EQ(CheckOnEachTarget(p), "");
    }
  }
}

// Scales one step on either side of where the way of dividing changes: 2^-100, 2^-76, 2^-50 and 2^125.
TEST_P(EveryBinade, AroundTheThresholds) {
  Rng rng(3);
  const Format format = GetParam();
  const float d = testing::LargestByDefinition(format, 0), r = testing::RangeByDefinition(format, 0);
  const int powers[] = {-101, -100, -77, -76, -51, -50, -44, 124, 125, 126};
  for (const bool symmetric : {true, false}) {
    for (const int64_t length : kLengths) {
      RowwiseProblem p =
          MakeSets(format, DType::kFloat32, QuantMode::kPerToken, symmetric, std::size(powers) * 3, length, rng,
                   [&](int64_t s, int64_t i, Rng& g) {
                     const int step = static_cast<int>(s % 3) - 1;
                     const auto bits = static_cast<uint32_t>((127 + powers[s / 3]) << 23) + static_cast<uint32_t>(step);
                     const float scale = std::bit_cast<float>(bits);
                     // The extremes first: their scale is this one, or rounds to a neighbour.
                     if (symmetric) return i == 0 ? scale * d : scale * std::min(d, 2 * d * testing::Moderate(g) / 4);
                     return i == 0 ? 0 : i == 1 ? scale * r : scale * r * std::fabs(testing::Moderate(g)) / 4;
                   });
      ASSERT_EQ(CheckOnEachTarget(p), "");
    }
  }
}

// Offsets up to where 1 / 2^18 of the range is left, and beyond: rows far from 0 with little width.
TEST_P(EveryBinade, OfTheOffset) {
  Rng rng(4);
  const Format format = GetParam();
  for (const DType dtype : kFloats) {
    for (const QuantMode mode : {QuantMode::kPerToken, QuantMode::kPerChannel}) {
      RowwiseProblem p = MakeSets(format, dtype, mode, false, 2 * 48, 130, rng, [](int64_t s, int64_t, Rng& r) {
        const float center = s % 2 == 0 ? 1.0f : -1.0f;
        return center + std::ldexp(static_cast<float>(Uniform(r, 0, 256)) / 256, -static_cast<int>(s / 2) + 12);
      });
      ASSERT_EQ(CheckOnEachTarget(p), "");
    }
  }
}

// Ordinary rows with zeros of both signs, subnormals and numbers far below one step among them: where flushing, or a
// quotient without a sign, would show.
TEST_P(EveryBinade, TinyAmongOrdinary) {
  Rng rng(5);
  const Format format = GetParam();
  for (const DType dtype : kFloats) {
    for (const bool symmetric : {true, false}) {
      for (const QuantMode mode : kModes) {
        for (const bool smooth : {false, true}) {
          RowwiseProblem p = MakeSets(format, dtype, mode, symmetric, 24, 148, rng, [](int64_t s, int64_t i, Rng& r) {
            switch ((s + i) % 6) {
              case 0:
                return 0.0f;
              case 1:
                return -0.0f;
              case 2:
                return std::ldexp(testing::Moderate(r), -130);
              case 3:
                return std::ldexp(testing::Moderate(r), -22);
              case 4:
                return std::ldexp(testing::Moderate(r), static_cast<int>(Uniform(r, -149, 0)));
              default:
                return testing::Moderate(r);
            }
          });
          if (smooth) {
            const int64_t n = p.x.shape()[mode == QuantMode::kPerChannel ? 0 : 1];
            p.smooth.emplace(DType::kFloat32, Shape{n}, rng);
            for (int64_t i = 0; i < n; ++i)
              p.smooth->Set(i, i % 7 == 3 ? -1.5f : std::ldexp(1.5f, i % 5 == 0 ? -126 : 0));
            p.smooth->Keep();
          }
          ASSERT_EQ(CheckOnEachTarget(p), "");
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(DynamicQuant, EveryBinade, ::testing::ValuesIn(kFormats),
                         [](const auto& info) { return std::string(Name(info.param)); });

// All 65536 fp16 and bf16 numbers, in rows whose scale is a power of two and in rows where it is nothing nice.
TEST(DynamicQuantSpecials, EveryNumberOfSixteenBits) {
  Rng rng(6);
  for (const DType dtype : {DType::kFloat16, DType::kBFloat16}) {
    for (const Format format : kFormats) {
      for (const bool symmetric : {true, false}) {
        RowwiseProblem p;
        p.format = format;
        p.symmetric = symmetric;
        // Rows of one exponent and sign each, so that infinities and NaNs have rows of their own.
        const int64_t width = dtype == DType::kFloat16 ? 1024 : 128;
        p.x = TestTensor(dtype, {65536 / width, width}, rng);
        for (int64_t i = 0; i < 65536; ++i) p.x.Set(i, static_cast<uint16_t>(i));
        p.x.Keep();
        p.MakeOutputs(rng);
        ASSERT_EQ(CheckOnEachTarget(p), "");
        // The same numbers beside many other largest elements.
        for (int64_t i = 0; i < 65536; ++i) p.x.Set(i, static_cast<uint16_t>(i * 40503));
        p.x.Keep();
        ASSERT_EQ(CheckOnEachTarget(p), "");
      }
    }
  }
}

}  // namespace
}  // namespace kvant
