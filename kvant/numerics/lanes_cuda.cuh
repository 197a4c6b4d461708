// The vocabulary of kvant's arithmetic on one float of a CUDA thread (lanes_scalar.h has the definition). On the host
// the same verbs are plain C++, so that device code can be run there.
#ifndef KVANT_NUMERICS_LANES_CUDA_CUH_
#define KVANT_NUMERICS_LANES_CUDA_CUH_

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kvant/core/half.h"
#include "kvant/core/macros.h"

namespace kvant {

struct CudaLanes {
  using F = float;
  using I = int32_t;
  using M = bool;

  static KVANT_INLINE F Set(float v) { return v; }
  static KVANT_INLINE I SetI(int32_t v) { return v; }

#if defined(__CUDA_ARCH__)
  // Intrinsics that the compiler never contracts. scripts/check_ptx.py knows an fma that a formula asked for by its
  // braces, which mean nothing else.
  static KVANT_INLINE F Add(F a, F b) { return __fadd_rn(a, b); }
  static KVANT_INLINE F Sub(F a, F b) { return __fsub_rn(a, b); }
  static KVANT_INLINE F Mul(F a, F b) { return __fmul_rn(a, b); }
  static KVANT_INLINE F Div(F a, F b) { return __fdiv_rn(a, b); }
  static KVANT_INLINE F MulAdd(F a, F b, F c) {
    F r;
    asm("{fma.rn.f32 %0, %1, %2, %3;}" : "=f"(r) : "f"(a), "f"(b), "f"(c));
    return r;
  }
  static KVANT_INLINE F Min(F a, F b) { return fminf(a, b); }
  static KVANT_INLINE F Max(F a, F b) { return fmaxf(a, b); }
  static KVANT_INLINE I Bits(F a) { return __float_as_int(a); }
  static KVANT_INLINE F FloatOf(I a) { return __int_as_float(a); }
  static KVANT_INLINE F ToFloat(I a) { return __int2float_rn(a); }
  static KVANT_INLINE I RoundToInt(F a) { return __float2int_rn(a); }
#else
  static KVANT_INLINE F Add(F a, F b) { return a + b; }
  static KVANT_INLINE F Sub(F a, F b) { return a - b; }
  static KVANT_INLINE F Mul(F a, F b) { return a * b; }
  static KVANT_INLINE F Div(F a, F b) { return a / b; }
  static KVANT_INLINE F MulAdd(F a, F b, F c) { return std::fma(a, b, c); }
  static KVANT_INLINE F Min(F a, F b) { return a < b ? a : b; }
  static KVANT_INLINE F Max(F a, F b) { return a > b ? a : b; }
  static KVANT_INLINE I Bits(F a) { return std::bit_cast<int32_t>(a); }
  static KVANT_INLINE F FloatOf(I a) { return std::bit_cast<float>(a); }
  static KVANT_INLINE F ToFloat(I a) { return static_cast<float>(a); }
  static KVANT_INLINE I RoundToInt(F a) { return static_cast<I>(std::nearbyint(a)); }
#endif
  static KVANT_INLINE F NegMulAdd(F a, F b, F c) { return MulAdd(-a, b, c); }
  static KVANT_INLINE F AtLeast(F v, F low) { return v < low ? low : v; }
  static KVANT_INLINE F AtMost(F v, F high) { return v > high ? high : v; }

  static KVANT_INLINE I AddI(I a, I b) { return static_cast<I>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b)); }
  static KVANT_INLINE I SubI(I a, I b) { return static_cast<I>(static_cast<uint32_t>(a) - static_cast<uint32_t>(b)); }
  static KVANT_INLINE I MinI(I a, I b) { return a < b ? a : b; }
  static KVANT_INLINE I MaxI(I a, I b) { return a > b ? a : b; }
  static KVANT_INLINE I And(I a, I b) { return a & b; }
  static KVANT_INLINE I Or(I a, I b) { return a | b; }
  static KVANT_INLINE I Xor(I a, I b) { return a ^ b; }
  static KVANT_INLINE I BitSelect(I mask, I a, I b) { return (mask & a) | (~mask & b); }
  template <int kBits>
  static KVANT_INLINE I Shl(I a) {
    return static_cast<I>(static_cast<uint32_t>(a) << kBits);
  }
  template <int kBits>
  static KVANT_INLINE I Shr(I a) {
    return static_cast<I>(static_cast<uint32_t>(a) >> kBits);
  }
  template <int kBits>
  static KVANT_INLINE I Sar(I a) {
    return a >> kBits;
  }
  static KVANT_INLINE I ShlV(I a, I bits) { return static_cast<I>(static_cast<uint32_t>(a) << bits); }
  static KVANT_INLINE I ShrV(I a, I bits) { return static_cast<I>(static_cast<uint32_t>(a) >> bits); }

  static KVANT_INLINE M Lt(F a, F b) { return a < b; }
  static KVANT_INLINE M IsNaN(F a) { return a != a; }
  static KVANT_INLINE M GtI(I a, I b) { return a > b; }
  static KVANT_INLINE M EqI(I a, I b) { return a == b; }
  static KVANT_INLINE F Select(M m, F a, F b) { return m ? a : b; }
  static KVANT_INLINE I SelectI(M m, I a, I b) { return m ? a : b; }

  // Elements to fp32: exact; a NaN stays one.
  static KVANT_INLINE F Number(float v) { return v; }
  static KVANT_INLINE F Number(BFloat16 v) { return FloatOf(static_cast<I>(v.bits) << 16); }
  static KVANT_INLINE F Number(Float16 v) {
#if defined(__CUDA_ARCH__)
    F r;
    asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(v.bits));
    return r;
#else
    return ToFloat32(v);
#endif
  }

  // fp32 to an element type: nearest even; NaNs are 0x7FC00000, 0x7E00 and 0x7FC0.
  template <class T>
  static KVANT_INLINE T Narrow(F v) {
#if defined(__CUDA_ARCH__)
    if constexpr (sizeof(T) == 2) {
      uint16_t bits;
      if constexpr (std::is_same_v<T, Float16>) {
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(v));
        return T{IsNaN(v) ? static_cast<uint16_t>(0x7E00) : bits};
      } else {
        asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(v));
        return T{IsNaN(v) ? static_cast<uint16_t>(0x7FC0) : bits};
      }
    } else {
      return IsNaN(v) ? FloatOf(0x7FC00000) : v;
    }
#else
    return FromFloat32<T>(v);
#endif
  }
};

// Two 16-bit integers in a word, each compared with its counterpart.
struct CudaPairs {
#if defined(__CUDA_ARCH__)
  static KVANT_INLINE uint32_t MinS(uint32_t a, uint32_t b) { return __vmins2(a, b); }
  static KVANT_INLINE uint32_t MaxS(uint32_t a, uint32_t b) { return __vmaxs2(a, b); }
#else
  static KVANT_INLINE uint32_t MinS(uint32_t a, uint32_t b) { return Join(Low(a) < Low(b), High(a) < High(b), a, b); }
  static KVANT_INLINE uint32_t MaxS(uint32_t a, uint32_t b) { return Join(Low(a) > Low(b), High(a) > High(b), a, b); }
#endif
  static KVANT_INLINE int16_t Low(uint32_t a) { return static_cast<int16_t>(a); }
  static KVANT_INLINE int16_t High(uint32_t a) { return static_cast<int16_t>(a >> 16); }
  // OrderedBits (affine.inc) of 16-bit patterns. An involution.
  static KVANT_INLINE uint32_t Ordered(uint32_t a) {
    const uint32_t signs = a & 0x80008000u;
    return a ^ (signs - (signs >> 15));
  }

 private:
  static KVANT_INLINE uint32_t Join(bool low, bool high, uint32_t a, uint32_t b) {
    return ((low ? a : b) & 0xFFFFu) | ((high ? a : b) & 0xFFFF0000u);
  }
};

}  // namespace kvant

#endif  // KVANT_NUMERICS_LANES_CUDA_CUH_
