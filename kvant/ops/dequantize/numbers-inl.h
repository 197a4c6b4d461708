// Codes to vectors of fp32, and vectors of fp32 to memory as fp32, fp16 or bf16.
#if defined(KVANT_OPS_DEQUANTIZE_NUMBERS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_OPS_DEQUANTIZE_NUMBERS_INL_H_
#undef KVANT_OPS_DEQUANTIZE_NUMBERS_INL_H_
#else
#define KVANT_OPS_DEQUANTIZE_NUMBERS_INL_H_
#endif

#include <bit>
#include <type_traits>

#include "kvant/formats/format.h"
#include "kvant/numerics/lanes_hwy-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

#include "kvant/formats/codecs.inc"
#include "kvant/numerics/affine.inc"

using F = VectorLanes::F;
using I = VectorLanes::I;

// 2 N consecutive elements.
struct Numbers {
  F a, b;
};

// FP8 as the fp16 with the same bits in front: an E5M2 code is the high half of one, an E4M3 value 2^8 times the fp16 with
// its exponent and mantissa. Conversion takes care of subnormals.
template <Format kFormat>
KVANT_INLINE F Fp8ToFloat(const uint8_t* codes) {
  const hn::Rebind<uint8_t, VectorLanes::DF> d8;
  const hn::Rebind<uint16_t, VectorLanes::DF> d16;
  const hn::Rebind<hwy::float16_t, VectorLanes::DF> df16;
  const auto wide = hn::PromoteTo(d16, hn::LoadU(d8, codes));
  if constexpr (kFormat == Format::kFloat8E5M2) {
    return hn::PromoteTo(VectorLanes::DF(), hn::BitCast(df16, hn::ShiftLeft<8>(wide)));
  } else {
    const auto magnitude = hn::And(hn::ShiftLeft<7>(wide), hn::Set(d16, 0x3F80));
    const auto sign = hn::And(hn::ShiftLeft<8>(wide), hn::Set(d16, 0x8000));
    // The one NaN: a magnitude of all ones.
    const auto nan = hn::IfThenElseZero(hn::Eq(magnitude, hn::Set(d16, 0x3F80)), hn::Set(d16, 0x7E00));
    const auto half = hn::Or(hn::Or(magnitude, sign), nan);
    return VectorLanes::Mul(hn::PromoteTo(VectorLanes::DF(), hn::BitCast(df16, half)), VectorLanes::Set(256.0f));
  }
}

#if HWY_TARGET == HWY_AVX3
// HIFLOAT8 by table: magnitudes are bf16 numbers, 128 of them fill four vectors.
KVANT_INLINE Numbers HiFloat8Numbers(const uint8_t* codes) {
  alignas(64) static constexpr uint16_t kMagnitudes[128] = {
#include "kvant/ops/dequantize/hifloat8_magnitudes.inc"
  };
  const __m512i wide = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes)));
  const __m512i low = _mm512_permutex2var_epi16(_mm512_load_si512(kMagnitudes), wide, _mm512_load_si512(kMagnitudes + 32));
  const __m512i high =
      _mm512_permutex2var_epi16(_mm512_load_si512(kMagnitudes + 64), wide, _mm512_load_si512(kMagnitudes + 96));
  const __m512i magnitude = _mm512_mask_blend_epi16(_mm512_test_epi16_mask(wide, _mm512_set1_epi16(0x40)), low, high);
  // magnitude | (wide << 8 & 0x8000)
  const __m512i value =
      _mm512_ternarylogic_epi32(magnitude, _mm512_slli_epi16(wide, 8), _mm512_set1_epi16(INT16_MIN), 0xF8);
  const __m512i patterns = _mm512_mask_blend_epi16(_mm512_cmpeq_epi16_mask(wide, _mm512_set1_epi16(0x80)), value,
                                                   _mm512_set1_epi16(0x7FC0));
  const __m512i a = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(patterns));
  const __m512i b = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(patterns, 1));
  return {F{_mm512_castsi512_ps(_mm512_slli_epi32(a, 16))}, F{_mm512_castsi512_ps(_mm512_slli_epi32(b, 16))}};
}
#endif

template <Format kFormat>
KVANT_INLINE F LoadVector(const uint8_t* codes) {
  using Byte = std::conditional_t<kFormat == Format::kInt8, int8_t, uint8_t>;
  if constexpr (kFormat == Format::kFloat8E4M3FN || kFormat == Format::kFloat8E5M2) {
    return Fp8ToFloat<kFormat>(codes);
  } else {
    const VectorLanes::DI di;
    const hn::Rebind<Byte, VectorLanes::DI> d8;
    return CodecOf<VectorLanes, kFormat>::Decode(
        hn::PromoteTo(di, hn::LoadU(d8, reinterpret_cast<const Byte*>(codes))));
  }
}

// One code to a byte.
template <Format kFormat>
KVANT_INLINE Numbers LoadNumbers(const uint8_t* codes) {
#if HWY_TARGET == HWY_AVX3
  if constexpr (kFormat == Format::kHiFloat8) return HiFloat8Numbers(codes);
#endif
  return {LoadVector<kFormat>(codes), LoadVector<kFormat>(codes + VectorLanes::N())};
}

// fp32 bits to bf16 in the high half, to nearest even. NaNs are canonical already, and stay so.
KVANT_INLINE I RoundToBFloat16(F v) {
  const I bits = VectorLanes::Bits(v);
  const I odd = VectorLanes::And(VectorLanes::Shr<16>(bits), VectorLanes::SetI(1));
  return VectorLanes::AddI(bits, VectorLanes::AddI(odd, VectorLanes::SetI(0x7FFF)));
}

#if HWY_TARGET == HWY_AVX3
KVANT_INLINE void StoreVector(__m512i v, void* to, bool stream) {
  if (stream) {
    _mm512_stream_si512(static_cast<__m512i*>(to), v);
  } else {
    _mm512_storeu_si512(to, v);
  }
}
#elif HWY_TARGET == HWY_AVX2
KVANT_INLINE void StoreVector(__m256i v, void* to, bool stream) {
  if (stream) {
    _mm256_stream_si256(static_cast<__m256i*>(to), v);
  } else {
    _mm256_storeu_si256(static_cast<__m256i*>(to), v);
  }
}
#endif

// 2 N results. `stream` needs `to` aligned to the bytes written and is a hint.
KVANT_INLINE void StoreNumbers(F a, F b, float* to, bool stream) {
#if HWY_TARGET == HWY_AVX3
  StoreVector(_mm512_castps_si512(a.raw), to, stream);
  StoreVector(_mm512_castps_si512(b.raw), to + 16, stream);
#elif HWY_TARGET == HWY_AVX2
  StoreVector(_mm256_castps_si256(a.raw), to, stream);
  StoreVector(_mm256_castps_si256(b.raw), to + 8, stream);
#else
  (void)stream;
  hn::StoreU(a, VectorLanes::DF(), to);
  hn::StoreU(b, VectorLanes::DF(), to + VectorLanes::N());
#endif
}

KVANT_INLINE void StoreNumbers(F a, F b, Float16* to, bool stream) {
#if HWY_TARGET == HWY_AVX3
  const __m256i low = _mm512_cvtps_ph(a.raw, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m256i high = _mm512_cvtps_ph(b.raw, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  StoreVector(_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1), to, stream);
#elif HWY_TARGET == HWY_AVX2
  const __m128i low = _mm256_cvtps_ph(a.raw, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m128i high = _mm256_cvtps_ph(b.raw, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  StoreVector(_mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1), to, stream);
#else
  (void)stream;
  const hn::Rebind<hwy::float16_t, VectorLanes::DF> d16;
  auto* out = reinterpret_cast<hwy::float16_t*>(to);
  hn::StoreU(hn::DemoteTo(d16, a), d16, out);
  hn::StoreU(hn::DemoteTo(d16, b), d16, out + VectorLanes::N());
#endif
}

KVANT_INLINE void StoreNumbers(F a, F b, BFloat16* to, bool stream) {
  const I low = VectorLanes::Shr<16>(RoundToBFloat16(a)), high = VectorLanes::Shr<16>(RoundToBFloat16(b));
#if HWY_TARGET == HWY_AVX3
  const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
  StoreVector(_mm512_permutexvar_epi64(order, _mm512_packus_epi32(low.raw, high.raw)), to, stream);
#elif HWY_TARGET == HWY_AVX2
  StoreVector(_mm256_permute4x64_epi64(_mm256_packus_epi32(low.raw, high.raw), 0xD8), to, stream);
#else
  (void)stream;
  const hn::Rebind<uint16_t, VectorLanes::DF> d16;
  auto* out = reinterpret_cast<uint16_t*>(to);
  hn::StoreU(hn::DemoteTo(d16, low), d16, out);
  hn::StoreU(hn::DemoteTo(d16, high), d16, out + VectorLanes::N());
#endif
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
