// What 16-bit tables keep of a number, against conversions through the 16-bit types themselves.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>

#include "kvant/core/half.h"
#include "kvant/rowwise/row_params.h"

namespace kvant {
namespace {

uint32_t BitsOf(float v) { return std::bit_cast<uint32_t>(v); }

template <class T>
float Expected(float v, float most) {
  const float rounded = ToFloat32(FromFloat32<T>(v));
  return rounded > most ? most : rounded < -most ? -most : rounded;
}

// Every exponent and sign with the mantissas around all ties, and a stride through all floats.
template <class F>
void ForFloats(const F& f) {
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 1021) f(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  for (uint32_t high = 0; high < 1u << 16; ++high) {
    for (const uint32_t low :
         {0u, 1u, 0x0FFFu, 0x1000u, 0x1001u, 0x2FFFu, 0x3000u, 0x3001u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu}) {
      f(std::bit_cast<float>(high << 16 | low));
    }
  }
}

template <class T>
void Check(DType table, float most, float least) {
  ForFloats([&](float v) {
    if (std::isnan(v)) return;
    const float kept = Expected<T>(v, most);
    ASSERT_EQ(BitsOf(Kept(v, table)), BitsOf(kept)) << v;
    ASSERT_EQ(BitsOf(KeptScale(v, table)), BitsOf(kept < least ? least : kept)) << v;
  });
  EXPECT_EQ(BitsOf(Kept(kNaN, table)), BitsOf(kNaN));
  EXPECT_EQ(BitsOf(KeptScale(kNaN, table)), BitsOf(kNaN));
}

TEST(RowParams, KeptIsTheNearestFiniteFloat16) { Check<Float16>(DType::kFloat16, 65504.0f, 0x1p-14f); }
TEST(RowParams, KeptIsTheNearestFiniteBFloat16) { Check<BFloat16>(DType::kBFloat16, 0x1.FEp127f, 0x1p-126f); }
TEST(RowParams, Float32IsKeptAsItIs) {
  EXPECT_EQ(BitsOf(Kept(1e-40f, DType::kFloat32)), BitsOf(1e-40f));
  EXPECT_EQ(BitsOf(KeptScale(1e-40f, DType::kFloat32)), BitsOf(1e-40f));
}

}  // namespace
}  // namespace kvant
