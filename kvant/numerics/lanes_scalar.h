// The vocabulary of kvant's arithmetic on one float: the reference that every other backend must equal.
//
// Formulas (numerics/*.inc, formats/*.inc, ops/*/formula.inc) are templates over a class like this one. F is a float,
// I an int32, M a truth value, each per lane. Every operation rounds once, to nearest even; nothing is contracted.
#ifndef KVANT_NUMERICS_LANES_SCALAR_H_
#define KVANT_NUMERICS_LANES_SCALAR_H_

#include <bit>
#include <cmath>
#include <cstdint>

namespace kvant {

struct ScalarLanes {
  using F = float;
  using I = int32_t;
  using M = bool;

  static F Set(float v) { return v; }
  static I SetI(int32_t v) { return v; }

  static F Add(F a, F b) { return a + b; }
  static F Sub(F a, F b) { return a - b; }
  static F Mul(F a, F b) { return a * b; }
  static F Div(F a, F b) { return a / b; }
  // Of numbers: what they return for a NaN or for zeros of two signs differs between backends.
  static F Min(F a, F b) { return a < b ? a : b; }
  static F Max(F a, F b) { return a > b ? a : b; }
  // max(v, low) and min(v, high) that keep a NaN in v; low and high are not zeros.
  static F AtLeast(F v, F low) { return v < low ? low : v; }
  static F AtMost(F v, F high) { return v > high ? high : v; }
  // a * b + c and c - a * b, rounded once.
  static F MulAdd(F a, F b, F c) { return std::fma(a, b, c); }
  static F NegMulAdd(F a, F b, F c) { return std::fma(-a, b, c); }

  static I AddI(I a, I b) { return static_cast<I>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b)); }
  static I SubI(I a, I b) { return static_cast<I>(static_cast<uint32_t>(a) - static_cast<uint32_t>(b)); }
  static I MinI(I a, I b) { return a < b ? a : b; }
  static I MaxI(I a, I b) { return a > b ? a : b; }
  static I And(I a, I b) { return a & b; }
  static I Or(I a, I b) { return a | b; }
  static I Xor(I a, I b) { return a ^ b; }
  // Bits of a where mask has ones, of b where it has zeros.
  static I BitSelect(I mask, I a, I b) { return (mask & a) | (~mask & b); }
  template <int kBits>
  static I Shl(I a) {
    return static_cast<I>(static_cast<uint32_t>(a) << kBits);
  }
  template <int kBits>  // zeros come in
  static I Shr(I a) {
    return static_cast<I>(static_cast<uint32_t>(a) >> kBits);
  }
  template <int kBits>  // copies of the sign come in
  static I Sar(I a) {
    return a >> kBits;
  }
  static I ShlV(I a, I bits) { return static_cast<I>(static_cast<uint32_t>(a) << bits); }
  static I ShrV(I a, I bits) { return static_cast<I>(static_cast<uint32_t>(a) >> bits); }

  static M Lt(F a, F b) { return a < b; }
  static M IsNaN(F a) { return a != a; }
  static M GtI(I a, I b) { return a > b; }
  static M EqI(I a, I b) { return a == b; }
  static F Select(M m, F a, F b) { return m ? a : b; }
  static I SelectI(M m, I a, I b) { return m ? a : b; }

  static I Bits(F a) { return std::bit_cast<int32_t>(a); }
  static F FloatOf(I a) { return std::bit_cast<float>(a); }
  static F ToFloat(I a) { return static_cast<float>(a); }
  // Nearest even; the argument lies within the range of int32.
  static I RoundToInt(F a) { return static_cast<I>(std::nearbyint(a)); }
};

}  // namespace kvant

#endif  // KVANT_NUMERICS_LANES_SCALAR_H_
