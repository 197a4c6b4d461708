// Codes without quotients (quotient.inc) of elements beside ties: what stands before the fraction is the code of the
// rounded quotient and sum, unless the fraction says that they must decide.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <random>

#include "kvant/core/macros.h"
#include "kvant/numerics/lanes_scalar.h"
#include "kvant/numerics/test_util.h"

namespace kvant {
namespace {

#include "kvant/numerics/quotient.inc"

using L = ScalarLanes;

struct Counts {
  int64_t tried = 0, near = 0, wrong = 0;
};

// Elements whose codes lie within `hair` units of a tie.
template <bool kAsymmetric>
Counts TryBesideTies(double hair, std::mt19937_64& random) {
  const auto uniform = [&](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  Counts counts;
  const int rows = SlowMachine() ? 200 : 20000;
  for (int row = 0; row < rows; ++row) {
    const auto scale = static_cast<float>(std::ldexp(uniform(1, 2), static_cast<int>(uniform(-70, 100))));
    // Fractions of every size, and half of the offsets where the errors are largest.
    const double magnitude =
        row % 2 == 0 ? uniform(0, kFixedOffsetUpTo) : uniform(kFixedOffsetUpTo - 8, kFixedOffsetUpTo);
    const float offset = kAsymmetric ? static_cast<float>(row % 4 < 2 ? magnitude : -magnitude) : -0.0f;
    const float inverse = L::Div(1.0f, scale), start = FixedStart<kAsymmetric>(offset);
    for (int i = 0; i < 100; ++i) {
      const double tie = std::floor(uniform(-128, 127)) + 0.5;
      const double at = tie + uniform(-hair, hair) * 0x1p-14;
      const auto x = static_cast<float>((at - static_cast<double>(offset)) * static_cast<double>(scale));
      const int32_t code = L::RoundToInt(L::Add(L::Div(x, scale), offset));
      const int32_t fixed = FixedCodes<L>(x, inverse, start);
      ++counts.tried;
      if (L::And(fixed, (1 << kFractionBits) - 1) < kNear<kAsymmetric>) {
        ++counts.near;
      } else if (L::Sar<kFractionBits>(fixed) != code) {
        ++counts.wrong;
      }
    }
  }
  return counts;
}

template <bool kAsymmetric>
void ExpectCodes() {
  std::mt19937_64 random(1);
  for (const double hair : {0.5, 3.0, 20.0, 8192.0}) {
    const Counts counts = TryBesideTies<kAsymmetric>(hair, random);
    EXPECT_EQ(counts.wrong, 0) << "of " << counts.tried << " within " << hair << " units";
    // As often as the fraction is among the first kNear units.
    if (hair == 8192) {
      EXPECT_LT(static_cast<double>(counts.near),
                1.5 * kNear<kAsymmetric> * 0x1p-14 * static_cast<double>(counts.tried) + 10);
    }
  }
}

TEST(CodesWithoutQuotients, Symmetric) { ExpectCodes<false>(); }
TEST(CodesWithoutQuotients, Asymmetric) { ExpectCodes<true>(); }

}  // namespace
}  // namespace kvant
