// The vocabulary of lanes_scalar.h on a Highway vector, for the target being compiled. Verbs that Highway spells with
// more instructions than the machine needs are raw intrinsics on AVX2 and AVX3; numerics/lanes_test.cc holds each of
// them to the scalar verb.
#if defined(KVANT_NUMERICS_LANES_HWY_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_NUMERICS_LANES_HWY_INL_H_
#undef KVANT_NUMERICS_LANES_HWY_INL_H_
#else
#define KVANT_NUMERICS_LANES_HWY_INL_H_
#endif

#include "hwy/highway.h"
#include "kvant/core/half.h"
#include "kvant/core/macros.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Keeps a vector in a register. g++ makes constants from general registers, or broadcasts them, again for each block,
// which takes as long as a third of its arithmetic; and it reads memory again for each use of what was read.
template <class V>
KVANT_INLINE V InRegister(V v) {
#if HWY_TARGET == HWY_AVX3
  __asm__("" : "+v"(v.raw));
#elif HWY_TARGET == HWY_AVX2
  __asm__("" : "+x"(v.raw));
#endif
  return v;
}

struct VectorLanes {
  using DF = hn::ScalableTag<float>;
  using DI = hn::RebindToSigned<DF>;
  using DU = hn::RebindToUnsigned<DF>;
  using F = hn::Vec<DF>;
  using I = hn::Vec<DI>;
  using M = hn::Mask<DF>;

  static KVANT_INLINE size_t N() { return hn::Lanes(DF()); }

  static KVANT_INLINE F Set(float v) { return hn::Set(DF(), v); }
  static KVANT_INLINE I SetI(int32_t v) { return hn::Set(DI(), v); }

  static KVANT_INLINE F Add(F a, F b) { return hn::Add(a, b); }
  static KVANT_INLINE F Sub(F a, F b) { return hn::Sub(a, b); }
  static KVANT_INLINE F Mul(F a, F b) { return hn::Mul(a, b); }
  static KVANT_INLINE F Div(F a, F b) { return hn::Div(a, b); }
  static KVANT_INLINE F Min(F a, F b) { return hn::Min(a, b); }
  static KVANT_INLINE F Max(F a, F b) { return hn::Max(a, b); }
#if HWY_ARCH_X86
  // Where one of them is a NaN the instruction gives the second operand. Those of other machines give the number.
  static KVANT_INLINE F AtLeast(F v, F low) { return hn::Max(low, v); }
  static KVANT_INLINE F AtMost(F v, F high) { return hn::Min(high, v); }
#else
  static KVANT_INLINE F AtLeast(F v, F low) { return hn::IfThenElse(hn::Lt(v, low), low, v); }
  static KVANT_INLINE F AtMost(F v, F high) { return hn::IfThenElse(hn::Gt(v, high), high, v); }
#endif
  static KVANT_INLINE F MulAdd(F a, F b, F c) { return hn::MulAdd(a, b, c); }
  static KVANT_INLINE F NegMulAdd(F a, F b, F c) { return hn::NegMulAdd(a, b, c); }

  static KVANT_INLINE I AddI(I a, I b) { return hn::Add(a, b); }
  static KVANT_INLINE I SubI(I a, I b) { return hn::Sub(a, b); }
  static KVANT_INLINE I MinI(I a, I b) { return hn::Min(a, b); }
  static KVANT_INLINE I MaxI(I a, I b) { return hn::Max(a, b); }
  static KVANT_INLINE I And(I a, I b) { return hn::And(a, b); }
  static KVANT_INLINE I Or(I a, I b) { return hn::Or(a, b); }
  static KVANT_INLINE I Xor(I a, I b) { return hn::Xor(a, b); }
  static KVANT_INLINE I BitSelect(I mask, I a, I b) {
#if HWY_TARGET == HWY_AVX3
    return I{_mm512_ternarylogic_epi32(mask.raw, a.raw, b.raw, 0xCA)};
#else
    return hn::OrAnd(hn::AndNot(mask, b), mask, a);
#endif
  }
  template <int kBits>
  static KVANT_INLINE I Shl(I a) {
    return hn::ShiftLeft<kBits>(a);
  }
  template <int kBits>
  static KVANT_INLINE I Shr(I a) {
    return hn::BitCast(DI(), hn::ShiftRight<kBits>(hn::BitCast(DU(), a)));
  }
  template <int kBits>
  static KVANT_INLINE I Sar(I a) {
    return hn::ShiftRight<kBits>(a);
  }
  static KVANT_INLINE I ShlV(I a, I bits) { return hn::Shl(a, bits); }
  static KVANT_INLINE I ShrV(I a, I bits) {
    return hn::BitCast(DI(), hn::Shr(hn::BitCast(DU(), a), hn::BitCast(DU(), bits)));
  }

  static KVANT_INLINE M Lt(F a, F b) { return hn::Lt(a, b); }
  static KVANT_INLINE M IsNaN(F a) { return hn::IsNaN(a); }
  static KVANT_INLINE M GtI(I a, I b) { return hn::RebindMask(DF(), hn::Gt(a, b)); }
  static KVANT_INLINE M EqI(I a, I b) { return hn::RebindMask(DF(), hn::Eq(a, b)); }
  static KVANT_INLINE F Select(M m, F a, F b) { return hn::IfThenElse(m, a, b); }
  static KVANT_INLINE I SelectI(M m, I a, I b) { return hn::IfThenElse(hn::RebindMask(DI(), m), a, b); }

  static KVANT_INLINE I Bits(F a) { return hn::BitCast(DI(), a); }
  static KVANT_INLINE F FloatOf(I a) { return hn::BitCast(DF(), a); }
  static KVANT_INLINE F ToFloat(I a) { return hn::ConvertTo(DF(), a); }
  static KVANT_INLINE I RoundToInt(F a) {
#if HWY_TARGET == HWY_AVX3
    return I{_mm512_cvtps_epi32(a.raw)};
#elif HWY_TARGET == HWY_AVX2
    return I{_mm256_cvtps_epi32(a.raw)};
#else
    return hn::NearestInt(a);
#endif
  }

  static KVANT_INLINE I LoadI(const int32_t* p) { return hn::LoadU(DI(), p); }
  static KVANT_INLINE F Load(const float* p) { return hn::LoadU(DF(), p); }
  static KVANT_INLINE F Load(const Float16* p) {
#if HWY_TARGET == HWY_AVX3 && !defined(__SANITIZE_ADDRESS__)
    // From memory the conversion is one micro-op; g++ loads first, which makes it two, on the port that packs codes.
    __m512 v;
    __asm__("vcvtph2ps %1, %0" : "=v"(v) : "m"(*reinterpret_cast<const __m256i_u*>(p)));
    return F{v};
#elif HWY_TARGET == HWY_AVX2 && !defined(__SANITIZE_ADDRESS__)
    __m256 v;
    __asm__("vcvtph2ps %1, %0" : "=x"(v) : "m"(*reinterpret_cast<const __m128i_u*>(p)));
    return F{v};
#endif
    const hn::Rebind<hwy::float16_t, DF> d16;
    return hn::PromoteTo(DF(), hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(p)));
  }
  static KVANT_INLINE F Load(const BFloat16* p) {
    const hn::Rebind<hwy::bfloat16_t, DF> d16;
    return hn::PromoteTo(DF(), hn::LoadU(d16, reinterpret_cast<const hwy::bfloat16_t*>(p)));
  }
};

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
