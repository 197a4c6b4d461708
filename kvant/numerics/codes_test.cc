// Codes without quotients (quotient.inc) of elements beside ties: what stands before the fraction is the code of the
// rounded quotient and sum, unless the fraction says that they must decide.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <random>

#include "kvant/core/macros.h"
#include "kvant/numerics/fixed_offsets.h"
#include "kvant/numerics/lanes_scalar.h"
#include "kvant/numerics/test_util.h"

namespace kvant {
namespace {

#include "kvant/numerics/quotient.inc"

using L = ScalarLanes;

struct Counts {
  int64_t tried = 0, near = 0, wrong = 0;
};

// What a store takes from the third byte, of 15-bit fractions after doubling, as an int8.
template <int kBits>
uint8_t Field(int32_t fixed) {
  const auto bits = static_cast<uint32_t>(fixed);
  if (kBits == 8) return static_cast<uint8_t>((2 * bits >> 16) ^ 0x80);
  const auto nibble = static_cast<uint8_t>(bits >> 16 & 15);
  return nibble < 8 ? nibble : static_cast<uint8_t>(nibble | 0xF0);
}

// Elements whose codes lie within `hair` units of a tie.
template <int kBits, bool kAsymmetric>
Counts TryBesideTies(double hair, std::mt19937_64& random) {
  using Fixed = FixedPoint<kBits>;
  const auto uniform = [&](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  Counts counts;
  const int rows = SlowMachine() ? 200 : 20000;
  for (int row = 0; row < rows; ++row) {
    const auto scale = static_cast<float>(std::ldexp(uniform(1, 2), static_cast<int>(uniform(-70, 100))));
    // Fractions of every size, and half of the offsets where the errors are largest.
    constexpr FixedOffsets kOffsets(kBits);
    const auto from = static_cast<double>(kOffsets.from), up_to = static_cast<double>(kOffsets.to);
    const double any = row % 4 < 2    ? uniform(from, up_to)
                       : row % 4 == 2 ? uniform(from, from * 0.9)
                                      : uniform(up_to * 0.9, up_to);
    const float offset = kAsymmetric ? static_cast<float>(any) : -0.0f;
    const float inverse = L::Div(1.0f, scale), start = FixedStart<kBits, kAsymmetric>(offset);
    for (int i = 0; i < 100; ++i) {
      const double tie = std::floor(uniform(-1 << (kBits - 1), (1 << (kBits - 1)) - 1)) + 0.5;
      const double at = tie + uniform(-hair, hair) * static_cast<double>(Fixed::kUnit);
      const auto x = static_cast<float>((at - static_cast<double>(offset)) * static_cast<double>(scale));
      const int32_t code = L::RoundToInt(L::Add(L::Div(x, scale), offset));
      const int32_t fixed = FixedCodes<L>(x, inverse, start);
      ++counts.tried;
      if (FixedFraction<kBits, L>(fixed) < kNear<kAsymmetric>) {
        ++counts.near;
      } else if (FixedCode<kBits, L>(fixed) != code || Field<kBits>(fixed) != static_cast<uint8_t>(code)) {
        ++counts.wrong;
      }
    }
  }
  return counts;
}

template <int kBits, bool kAsymmetric>
void ExpectCodes() {
  constexpr double kUnits = 1 << FixedPoint<kBits>::kFractionBits;  // of a code
  std::mt19937_64 random(1);
  for (const double hair : {0.5, 3.0, 20.0, kUnits / 2}) {
    const Counts counts = TryBesideTies<kBits, kAsymmetric>(hair, random);
    EXPECT_EQ(counts.wrong, 0) << "of " << counts.tried << " within " << hair << " units";
    // As often as the fraction is among the first kNear units.
    if (hair == kUnits / 2) {
      EXPECT_LT(static_cast<double>(counts.near),
                1.5 * kNear<kAsymmetric> / kUnits * static_cast<double>(counts.tried) + 10);
    }
  }
}

TEST(CodesWithoutQuotients, Int8Symmetric) { ExpectCodes<8, false>(); }
TEST(CodesWithoutQuotients, Int8Asymmetric) { ExpectCodes<8, true>(); }
TEST(CodesWithoutQuotients, Int4Symmetric) { ExpectCodes<4, false>(); }
TEST(CodesWithoutQuotients, Int4Asymmetric) { ExpectCodes<4, true>(); }

}  // namespace
}  // namespace kvant
