#include "kvant/core/half.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>

#include "kvant/core/target.h"

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#define KVANT_TEST_F16C 1
#endif

namespace kvant {
namespace {

constexpr uint32_t kPatterns = 1 << 16;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

uint32_t Bits(float v) { return std::bit_cast<uint32_t>(v); }

// What a 16-bit pattern means, by its definition: sign, exponent field, fraction.
template <int kFraction>
double Meaning(uint32_t pattern) {
  constexpr int kExponents = 1 << (15 - kFraction);
  const int field = static_cast<int>(pattern >> kFraction) % kExponents;
  const double fraction = std::ldexp(pattern % (1u << kFraction), -kFraction);
  double magnitude;
  if (field == kExponents - 1) {
    magnitude = fraction == 0 ? kInfinity : std::numeric_limits<double>::quiet_NaN();
  } else if (field == 0) {
    magnitude = std::ldexp(fraction, 2 - kExponents / 2);
  } else {
    magnitude = std::ldexp(1 + fraction, field + 1 - kExponents / 2);
  }
  return pattern >> 15 != 0 ? -magnitude : magnitude;
}

template <class T>
struct Traits;
template <>
struct Traits<Float16> {
  static constexpr int kFraction = 10;
  static constexpr uint16_t kInfinityBits = 0x7C00, kNaNBits = 0x7E00;
};
template <>
struct Traits<BFloat16> {
  static constexpr int kFraction = 7;
  static constexpr uint16_t kInfinityBits = 0x7F80, kNaNBits = 0x7FC0;
};

template <class T>
class Half : public ::testing::Test {};
using HalfTypes = ::testing::Types<Float16, BFloat16>;
TYPED_TEST_SUITE(Half, HalfTypes);

TYPED_TEST(Half, EveryPatternHasItsMeaning) {
  int differing = 0;
  for (uint32_t p = 0; p < kPatterns; ++p) {
    const double expected = Meaning<Traits<TypeParam>::kFraction>(p);
    const float v = ToFloat32(TypeParam{static_cast<uint16_t>(p)});
    // The expected number is compared with its sign, so that zeros have one.
    differing += std::isnan(expected) ? !std::isnan(v) : Bits(v) != Bits(static_cast<float>(expected));
  }
  EXPECT_EQ(differing, 0);
}

TYPED_TEST(Half, EveryPatternComesBack) {
  for (uint32_t p = 0; p < kPatterns; ++p) {
    const float v = ToFloat32(TypeParam{static_cast<uint16_t>(p)});
    const uint16_t expected = std::isnan(v) ? Traits<TypeParam>::kNaNBits : static_cast<uint16_t>(p);
    ASSERT_EQ(FromFloat32<TypeParam>(v).bits, expected) << std::hex << p;
  }
}

// Between neighbours a < b the half way point is exact in fp32; below it lies a, above it b, and at it the one whose
// pattern is even. That fixes the result for every fp32.
TYPED_TEST(Half, RoundsToNearestEvenBetweenAllNeighbours) {
  constexpr int kFraction = Traits<TypeParam>::kFraction;
  constexpr uint16_t kInfinityBits = Traits<TypeParam>::kInfinityBits;
  const auto expect = [](float v, uint32_t pattern) {
    EXPECT_EQ(FromFloat32<TypeParam>(v).bits, pattern) << std::hexfloat << v;
    EXPECT_EQ(FromFloat32<TypeParam>(-v).bits, pattern | 0x8000) << std::hexfloat << -v;
  };
  for (uint32_t p = 0; p < kInfinityBits; ++p) {
    const double a = Meaning<kFraction>(p);
    // The neighbour of the largest number is where the next one would be: it rounds to infinity.
    const double b = p + 1 == kInfinityBits ? 2 * a - Meaning<kFraction>(p - 1) : Meaning<kFraction>(p + 1);
    const double middle = (a + b) / 2;
    const float tie = static_cast<float>(middle);
    ASSERT_EQ(tie, middle);
    expect(std::nextafter(static_cast<float>(a), kInfinity), p);
    expect(std::nextafter(tie, 0.0f), p);
    expect(tie, p % 2 == 0 ? p : p + 1);
    expect(std::nextafter(tie, kInfinity), p + 1);
    expect(std::nextafter(static_cast<float>(b), 0.0f), p + 1);
    if (this->HasFailure()) return;
  }
  expect(std::numeric_limits<float>::max(), kInfinityBits);
  expect(kInfinity, kInfinityBits);
}

TYPED_TEST(Half, EveryNaNIsTheSame) {
  for (const uint32_t payload : {1u, 0x1000u, 0x2000u, 0x10000u, 0x3FFFFFu, 0x400000u, 0x7FFFFFu}) {
    for (const uint32_t sign : {0u, 0x80000000u}) {
      const float nan = std::bit_cast<float>(sign | 0x7F800000u | payload);
      EXPECT_EQ(FromFloat32<TypeParam>(nan).bits, Traits<TypeParam>::kNaNBits);
    }
  }
}

TEST(Float32, PassesThroughExceptForNaNs) {
  for (const uint32_t bits : {0u, 0x80000000u, 1u, 0x3F800001u, 0x7F800000u, 0xFF800000u}) {
    const float v = std::bit_cast<float>(bits);
    EXPECT_EQ(Bits(ToFloat32(v)), bits);
    EXPECT_EQ(Bits(FromFloat32<float>(v)), bits);
  }
  for (const uint32_t bits : {0x7F800001u, 0x7FC00000u, 0xFFC00000u, 0xFFFFFFFFu}) {
    EXPECT_EQ(Bits(FromFloat32<float>(std::bit_cast<float>(bits))), 0x7FC00000u);
  }
}

#if KVANT_TEST_F16C
// Patterns first, first + step, ... whose conversion differs from the processor's.
__attribute__((target("avx2,f16c"))) int64_t DifferencesFromF16C(uint64_t step) {
  int64_t differing = 0;
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += step) {
    const float v = std::bit_cast<float>(static_cast<uint32_t>(bits));
    const uint32_t hardware = std::isnan(v) ? 0x7E00 : _cvtss_sh(v, _MM_FROUND_TO_NEAREST_INT);
    differing += FromFloat32<Float16>(v).bits != hardware;
  }
  return differing;
}

TEST(Float16, EqualsTheProcessor) {
  const auto targets = SupportedTargets();
  // The AVX2 target includes F16C.
  if (std::find(targets.begin(), targets.end(), Target::kAVX2) == targets.end()) GTEST_SKIP() << "no F16C";
  const bool all = std::getenv("KVANT_LONG_TESTS") != nullptr;
  // An odd step visits all low bits with all exponents.
  EXPECT_EQ(DifferencesFromF16C(all ? 1 : 509), 0);
}
#endif

}  // namespace
}  // namespace kvant
