// Codes to vectors of fp32, and vectors of fp32 to memory as fp32, fp16 or bf16.
#if defined(KVANT_OPS_DEQUANTIZE_NUMBERS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_OPS_DEQUANTIZE_NUMBERS_INL_H_
#undef KVANT_OPS_DEQUANTIZE_NUMBERS_INL_H_
#else
#define KVANT_OPS_DEQUANTIZE_NUMBERS_INL_H_
#endif

#include <bit>
#include <type_traits>

#include "kvant/formats/store-inl.h"
#include "kvant/ops/dequantize/small_floats-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

#include "kvant/numerics/affine.inc"

using I = VectorLanes::I;

// 2 N elements of a format with one code to a byte.
template <Format kFormat>
KVANT_INLINE void LoadNumbers(const uint8_t* codes, F& a, F& b) {
  if constexpr (kFormat == Format::kInt8) {
    const VectorLanes::DI di;
    const hn::Rebind<int8_t, VectorLanes::DI> d8;
    const int8_t* signed_codes = reinterpret_cast<const int8_t*>(codes);
    a = VectorLanes::ToFloat(hn::PromoteTo(di, hn::LoadU(d8, signed_codes)));
    b = VectorLanes::ToFloat(hn::PromoteTo(di, hn::LoadU(d8, signed_codes + VectorLanes::N())));
  } else {
    LoadSmallFloats<kFormat>(codes, a, b);
  }
}

// CanonicalNaN in one instruction where there is one.
KVANT_INLINE F Canonical(F v) {
#if HWY_TARGET == HWY_AVX3
  // By class of v, in nibbles: 0, both kinds of NaN, keeps the first operand; 1 is v itself.
  const __m512 nan = _mm512_castsi512_ps(_mm512_set1_epi32(0x7FC00000));
  return F{_mm512_fixupimm_ps(nan, v.raw, _mm512_set1_epi32(0x11111100), 0)};
#else
  return CanonicalNaN<VectorLanes>(v);
#endif
}

// fp32 bits to bf16 in the high half, to nearest even. NaNs are canonical already, and stay so.
KVANT_INLINE I RoundToBFloat16(F v) {
  const I bits = VectorLanes::Bits(v);
#if HWY_TARGET == HWY_AVX3
  const __mmask16 odd = _mm512_test_epi32_mask(bits.raw, _mm512_set1_epi32(0x10000));
  const __m512i half = _mm512_mask_blend_epi32(odd, _mm512_set1_epi32(0x7FFF), _mm512_set1_epi32(0x8000));
  return I{_mm512_add_epi32(bits.raw, half)};
#else
  const I odd = VectorLanes::And(VectorLanes::Shr<16>(bits), VectorLanes::SetI(1));
  return VectorLanes::AddI(bits, VectorLanes::AddI(odd, VectorLanes::SetI(0x7FFF)));
#endif
}

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
