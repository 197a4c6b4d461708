// fp16 and bf16 as bit patterns: exact conversion to fp32, and one nearest-even rounding back. NaNs come out as 0x7E00
// and 0x7FC0.
#ifndef KVANT_CORE_HALF_H_
#define KVANT_CORE_HALF_H_

#include <bit>
#include <cstdint>

#include "kvant/core/macros.h"

namespace kvant {

struct Float16 {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

KVANT_HOST_DEVICE inline float ToFloat32(float v) { return v; }

KVANT_HOST_DEVICE inline float ToFloat32(BFloat16 v) {
  return std::bit_cast<float>(static_cast<uint32_t>(v.bits) << 16);
}

KVANT_HOST_DEVICE inline float ToFloat32(Float16 v) {
  const uint32_t sign = static_cast<uint32_t>(v.bits & 0x8000) << 16;
  const uint32_t exponent = (v.bits >> 10) & 0x1F;
  const uint32_t fraction = v.bits & 0x3FF;
  if (exponent == 0) {  // a subnormal counts units of 2^-24
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
  }
  const uint32_t rebased = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | rebased << 23 | fraction << 13);
}

template <class T>
KVANT_HOST_DEVICE T FromFloat32(float v);

template <>
KVANT_HOST_DEVICE inline float FromFloat32<float>(float v) {
  return v == v ? v : std::bit_cast<float>(0x7FC00000u);
}

template <>
KVANT_HOST_DEVICE inline BFloat16 FromFloat32<BFloat16>(float v) {
  if (v != v) return {0x7FC0};
  const uint32_t bits = std::bit_cast<uint32_t>(v);
  return {static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)};
}

template <>
KVANT_HOST_DEVICE inline Float16 FromFloat32<Float16>(float v) {
  if (v != v) return {0x7E00};
  const uint32_t bits = std::bit_cast<uint32_t>(v);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude >= 0x477FF000) return {static_cast<uint16_t>(sign | 0x7C00)};  // 65520 and up round to infinity
  if (magnitude < 0x38800000) {  // below 2^-14: adding 0.5 leaves a count of 2^-24 units in the low bits
    const float sum = std::bit_cast<float>(magnitude) + 0.5f;
    return {static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(sum) - 0x3F000000))};
  }
  const uint32_t rounded = magnitude - 0x38000000 + 0xFFF + ((magnitude >> 13) & 1);
  return {static_cast<uint16_t>(sign | rounded >> 13)};
}

}  // namespace kvant

#endif  // KVANT_CORE_HALF_H_
