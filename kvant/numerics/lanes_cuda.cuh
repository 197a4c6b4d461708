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

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
  // FP8 codes of any two numbers, the first in the low byte: what the codecs' Encode makes of them.
  template <bool kE4M3>
  static KVANT_INLINE uint32_t NarrowToFp8(F first, F second) {
    uint16_t codes;
    if constexpr (kE4M3) {
      asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(codes) : "f"(second), "f"(first));
    } else {
      asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(codes) : "f"(second), "f"(first));
    }
    return codes;
  }
#endif

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

// Two numbers of type T, Float16 or BFloat16, in a word.
template <class T>
struct CudaPairs {
  // The larger of each two: -0 is below +0, and a NaN, 0x7FFF, wins.
  static KVANT_INLINE uint32_t Max(uint32_t a, uint32_t b) {
#if defined(__CUDA_ARCH__)
    uint32_t r;
    if constexpr (std::is_same_v<T, Float16>) {
      asm("max.NaN.f16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
    } else {
      asm("max.NaN.bf16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
    }
    return r;
#else
    return MaxInWords(a, b);
#endif
  }
  // The same without an instruction for it.
  static KVANT_HOST_DEVICE uint32_t MaxInWords(uint32_t a, uint32_t b) {
    return MaxOfOne(a & 0xFFFFu, b & 0xFFFFu) | MaxOfOne(a >> 16, b >> 16) << 16;
  }
  static KVANT_INLINE uint32_t Negate(uint32_t a) { return a ^ 0x80008000u; }
  static KVANT_INLINE uint32_t Magnitudes(uint32_t a) { return a & 0x7FFF7FFFu; }
  // What Max leaves as it is: minus infinity.
  static constexpr uint32_t kLeast = std::is_same_v<T, Float16> ? 0xFC00FC00u : 0xFF80FF80u;

 private:
  static KVANT_HOST_DEVICE uint32_t MaxOfOne(uint32_t a, uint32_t b) {
    constexpr uint32_t kInfinity = kLeast & 0x7FFFu;
    if ((a & 0x7FFFu) > kInfinity || (b & 0x7FFFu) > kInfinity) return 0x7FFFu;
    const auto ordered = [](uint32_t v) { return v & 0x8000u ? 0xFFFFu - v : v + 0x8000u; };
    return ordered(a) > ordered(b) ? a : b;
  }
};

}  // namespace kvant

#endif  // KVANT_NUMERICS_LANES_CUDA_CUH_
