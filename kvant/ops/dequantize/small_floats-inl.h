// FP8 and HIFLOAT8 codes to fp32 by way of a 16-bit format that contains them: half as many operations as decoding in
// 32-bit lanes takes.
#if defined(KVANT_OPS_DEQUANTIZE_SMALL_FLOATS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_OPS_DEQUANTIZE_SMALL_FLOATS_INL_H_
#undef KVANT_OPS_DEQUANTIZE_SMALL_FLOATS_INL_H_
#else
#define KVANT_OPS_DEQUANTIZE_SMALL_FLOATS_INL_H_
#endif

#include "kvant/formats/format.h"
#include "kvant/numerics/lanes_hwy-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

#include "kvant/formats/codecs.inc"

using F = VectorLanes::F;

// The 16-bit lanes of a whole vector: 2 N elements.
using D16 = hn::Repartition<uint16_t, VectorLanes::DF>;
using V16 = hn::Vec<D16>;

KVANT_INLINE V16 Set16(uint16_t v) { return hn::Set(D16(), v); }

// bf16 patterns to fp32: two vectors, the first N elements in `a`. By reference, because vectors of SVE cannot be
// members.
KVANT_INLINE void WidenBFloat16(V16 patterns, F& a, F& b) {
  const VectorLanes::DU du;
  const hn::Half<D16> half;
  a = hn::BitCast(VectorLanes::DF(), hn::ShiftLeft<16>(hn::PromoteTo(du, hn::LowerHalf(half, patterns))));
  b = hn::BitCast(VectorLanes::DF(), hn::ShiftLeft<16>(hn::PromoteTo(du, hn::UpperHalf(half, patterns))));
}

// Bit 7 of a code as the sign of a 16-bit pattern.
KVANT_INLINE V16 WithSign(V16 code, V16 magnitude) {
  return hn::Or(magnitude, hn::And(hn::ShiftLeft<8>(code), Set16(0x8000)));
}

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2

KVANT_INLINE void WidenFloat16(V16 patterns, F& a, F& b) {
#if HWY_TARGET == HWY_AVX3
  a = F{_mm512_cvtph_ps(_mm512_castsi512_si256(patterns.raw))};
  b = F{_mm512_cvtph_ps(_mm512_extracti64x4_epi64(patterns.raw, 1))};
#else
  a = F{_mm256_cvtph_ps(_mm256_castsi256_si128(patterns.raw))};
  b = F{_mm256_cvtph_ps(_mm256_extracti128_si256(patterns.raw, 1))};
#endif
}

// An E5M2 code is the high half of an fp16. An E4M3 value is 2^8 times the fp16 with the same fields; the conversion
// takes care of subnormals.
template <Format kFormat>
KVANT_INLINE void DecodeFp8(V16 code, F& a, F& b) {
  if constexpr (kFormat == Format::kFloat8E5M2) {
    WidenFloat16(hn::ShiftLeft<8>(code), a, b);
  } else {
    const V16 magnitude = hn::And(hn::ShiftLeft<7>(code), Set16(0x3F80));
    // The one NaN has all bits set.
    const V16 number = hn::IfThenElse(hn::Eq(magnitude, Set16(0x3F80)), Set16(0x7E00), magnitude);
    WidenFloat16(WithSign(code, number), a, b);
    a = VectorLanes::Mul(a, VectorLanes::Set(256.0f));
    b = VectorLanes::Mul(b, VectorLanes::Set(256.0f));
  }
}

#else

template <Format kFormat>
KVANT_INLINE void DecodeFp8(V16 code, F& a, F& b) {
  const VectorLanes::DI di;
  const hn::Half<D16> half;
  a = CodecOf<VectorLanes, kFormat>::Decode(hn::PromoteTo(di, hn::LowerHalf(half, code)));
  b = CodecOf<VectorLanes, kFormat>::Decode(hn::PromoteTo(di, hn::UpperHalf(half, code)));
}

#endif

// HIFLOAT8 values have at most four significant bits and are bf16 numbers.
#if HWY_TARGET == HWY_AVX3

// The bf16 pattern of a magnitude, 0..127.
constexpr uint16_t HiFloat8Magnitude(int code) {
  if (code == 0) return 0;
  if (code == 0x6F) return 0x7F80;
  if (code < 0x08) return static_cast<uint16_t>((code - 23 + 127) << 7);
  // Mantissa bits, and the leading 1 of |E|. D0 has no exponent field and D1 only its sign.
  const int width = code < 0x40 ? 3 : code < 0x60 ? 2 : 1;
  const int lead = code < 0x10 ? 0 : code < 0x20 ? 1 : code < 0x40 ? 2 : code < 0x60 ? 4 : 8;
  const int magnitude = lead == 0 ? 0 : lead + ((code & 15) >> width & (lead - 1));
  const bool negative = lead != 0 && (code & (lead == 1 ? 8 : 16)) != 0;
  const int mantissa = code & ((1 << width) - 1);
  return static_cast<uint16_t>(((negative ? -magnitude : magnitude) + 127) << 7 | mantissa << (7 - width));
}

struct HiFloat8Magnitudes {
  alignas(64) uint16_t patterns[128];
  constexpr HiFloat8Magnitudes() : patterns() {
    for (int code = 0; code < 128; ++code) patterns[code] = HiFloat8Magnitude(code);
  }
};

// By table: 128 magnitudes of 16 bits fill four vectors.
KVANT_INLINE void DecodeHiFloat8(V16 code, F& a, F& b) {
  static constexpr HiFloat8Magnitudes kTable;
  const uint16_t* t = kTable.patterns;
  const __m512i low = _mm512_permutex2var_epi16(_mm512_load_si512(t), code.raw, _mm512_load_si512(t + 32));
  const __m512i high = _mm512_permutex2var_epi16(_mm512_load_si512(t + 64), code.raw, _mm512_load_si512(t + 96));
  const __mmask32 upper = _mm512_test_epi16_mask(code.raw, _mm512_set1_epi16(0x40));
  const V16 number = WithSign(code, V16{_mm512_mask_blend_epi16(upper, low, high)});
  const __mmask32 nan = _mm512_cmpeq_epi16_mask(code.raw, _mm512_set1_epi16(0x80));
  WidenBFloat16(V16{_mm512_mask_mov_epi16(number.raw, nan, _mm512_set1_epi16(0x7FC0))}, a, b);
}

#else

// A number with exponent E and mantissa m (in eighths) is the bf16 128 (127 + E) + 16 m. The 4 bits after the sign tell
// what the other three count: |E| and m together are 8 |E| + m = base + unit * count, and E is -|E| where `negative` is
// set, or for denormals, whose count is an exponent alone, has another bias.
KVANT_INLINE void DecodeHiFloat8(V16 code, F& a, F& b) {
  const D16 d16;
  const hn::RebindToSigned<D16> di16;
  const hn::Repartition<uint8_t, D16> d8;
  alignas(16) static constexpr uint8_t kBase[16] = {0, 0, 8, 8, 16, 24, 16, 24, 32, 48, 32, 48, 64, 96, 64, 96};
  alignas(16) static constexpr uint8_t kUnit[16] = {8, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4};
  alignas(16) static constexpr uint8_t kNegative[16] = {0, 0, 0,    0xF8, 0, 0, 0xF8, 0xF8,
                                                        0, 0, 0xF8, 0xF8, 0, 0, 0xF8, 0xF8};
  alignas(16) static constexpr uint8_t kBias[16] = {127 - 23, 127, 127, 127, 127, 127, 127, 127,
                                                    127,      127, 127, 127, 127, 127, 127, 127};
  const auto index = hn::BitCast(d8, hn::And(hn::ShiftRight<3>(code), Set16(15)));
  // Entries as 16-bit numbers; the upper bytes look up entry 0 and are cleared.
  const auto at = [&](const uint8_t* table)
                      HWY_ATTR { return hn::BitCast(d16, hn::TableLookupBytes(hn::LoadDup128(d8, table), index)); };
  const V16 byte = Set16(0xFF);
  const auto equals = [&](V16 v, uint16_t to, uint16_t bits)
                          HWY_ATTR { return hn::And(hn::VecFromMask(d16, hn::Eq(v, Set16(to))), Set16(bits)); };
  const V16 negative = at(kNegative);
  const V16 sum = hn::Add(at(kBase), hn::Mul(hn::And(code, Set16(7)), hn::And(at(kUnit), byte)));
  // ~(8 |E|) with m as it is, and one more in the eighths: -8 |E| + m.
  const V16 signed_sum = hn::Sub(hn::Xor(sum, negative), negative);
  V16 magnitude = hn::Add(hn::ShiftLeft<4>(signed_sum), hn::ShiftLeft<7>(hn::And(at(kBias), byte)));
  const V16 number = hn::And(code, Set16(0x7F));
  magnitude = hn::Xor(magnitude, equals(number, 0x6F, 0x4740 ^ 0x7F80));  // would be 1.5 * 2^15, is infinity
  const V16 positive = hn::VecFromMask(d16, hn::RebindMask(d16, hn::Gt(hn::BitCast(di16, number), hn::Zero(di16))));
  magnitude = hn::And(magnitude, positive);
  WidenBFloat16(hn::Or(WithSign(code, magnitude), equals(code, 0x80, 0x7FC0)), a, b);
}

#endif

template <Format kFormat>
KVANT_INLINE void LoadSmallFloats(const uint8_t* codes, F& a, F& b) {
  const D16 d16;
  const hn::Rebind<uint8_t, D16> d8;
  const V16 code = hn::PromoteTo(d16, hn::LoadU(d8, codes));
  if constexpr (kFormat == Format::kHiFloat8) {
    DecodeHiFloat8(code, a, b);
  } else {
    DecodeFp8<kFormat>(code, a, b);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
