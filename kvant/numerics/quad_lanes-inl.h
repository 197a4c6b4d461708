// The vocabulary on four vectors at a time. A formula then runs stage by stage over independent vectors, which hides
// the latency of its chain from the scheduler: 12 % faster quotients than one vector after the other. Not for SVE,
// whose vectors cannot be members.
#if defined(KVANT_NUMERICS_QUAD_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_NUMERICS_QUAD_LANES_INL_H_
#undef KVANT_NUMERICS_QUAD_LANES_INL_H_
#else
#define KVANT_NUMERICS_QUAD_LANES_INL_H_
#endif

#include "kvant/numerics/lanes_hwy-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

// The elements of four vectors: 4 N consecutive ones; or the even ones of 2 N, the odd ones, and so of the next 2 N.
enum class ElementOrder : uint8_t { kVectors, kPairs };

#if !HWY_HAVE_SCALABLE

template <class V>
struct Quad {
  V a, b, c, d;
};

struct QuadLanes {
  using L = VectorLanes;
  using F = Quad<L::F>;
  using I = Quad<L::I>;
  using M = Quad<L::M>;

// The verb on each of the four.
#define KVANT_QUAD1(result, verb, x) \
  static KVANT_INLINE result verb(x v) { return {L::verb(v.a), L::verb(v.b), L::verb(v.c), L::verb(v.d)}; }
#define KVANT_QUAD2(result, verb, x, y)                                                  \
  static KVANT_INLINE result verb(x v, y w) {                                            \
    return {L::verb(v.a, w.a), L::verb(v.b, w.b), L::verb(v.c, w.c), L::verb(v.d, w.d)}; \
  }
#define KVANT_QUAD3(result, verb, x, y, z)                                                                   \
  static KVANT_INLINE result verb(x v, y w, z u) {                                                           \
    return {L::verb(v.a, w.a, u.a), L::verb(v.b, w.b, u.b), L::verb(v.c, w.c, u.c), L::verb(v.d, w.d, u.d)}; \
  }
  KVANT_QUAD2(F, Add, F, F)
  KVANT_QUAD2(F, Sub, F, F)
  KVANT_QUAD2(F, Mul, F, F)
  KVANT_QUAD2(F, Div, F, F)
  KVANT_QUAD2(F, Min, F, F)
  KVANT_QUAD2(F, Max, F, F)
  KVANT_QUAD2(F, AtLeast, F, F)
  KVANT_QUAD2(F, AtMost, F, F)
  KVANT_QUAD3(F, MulAdd, F, F, F)
  KVANT_QUAD3(F, NegMulAdd, F, F, F)
  KVANT_QUAD2(I, AddI, I, I)
  KVANT_QUAD2(I, SubI, I, I)
  KVANT_QUAD2(I, MinI, I, I)
  KVANT_QUAD2(I, MaxI, I, I)
  KVANT_QUAD2(I, And, I, I)
  KVANT_QUAD2(I, Or, I, I)
  KVANT_QUAD2(I, Xor, I, I)
  KVANT_QUAD3(I, BitSelect, I, I, I)
  KVANT_QUAD2(I, ShlV, I, I)
  KVANT_QUAD2(I, ShrV, I, I)
  KVANT_QUAD2(M, Lt, F, F)
  KVANT_QUAD1(M, IsNaN, F)
  KVANT_QUAD2(M, GtI, I, I)
  KVANT_QUAD2(M, EqI, I, I)
  KVANT_QUAD3(F, Select, M, F, F)
  KVANT_QUAD3(I, SelectI, M, I, I)
  KVANT_QUAD1(I, Bits, F)
  KVANT_QUAD1(F, FloatOf, I)
  KVANT_QUAD1(F, ToFloat, I)
  KVANT_QUAD1(I, RoundToInt, F)
#undef KVANT_QUAD1
#undef KVANT_QUAD2
#undef KVANT_QUAD3

  static KVANT_INLINE F Set(float v) {
    const L::F one = L::Set(v);
    return {one, one, one, one};
  }
  static KVANT_INLINE I SetI(int32_t v) {
    const L::I one = L::SetI(v);
    return {one, one, one, one};
  }
  template <int kBits>
  static KVANT_INLINE I Shl(I v) {
    return {L::template Shl<kBits>(v.a), L::template Shl<kBits>(v.b), L::template Shl<kBits>(v.c),
            L::template Shl<kBits>(v.d)};
  }
  template <int kBits>
  static KVANT_INLINE I Shr(I v) {
    return {L::template Shr<kBits>(v.a), L::template Shr<kBits>(v.b), L::template Shr<kBits>(v.c),
            L::template Shr<kBits>(v.d)};
  }
  template <int kBits>
  static KVANT_INLINE I Sar(I v) {
    return {L::template Sar<kBits>(v.a), L::template Sar<kBits>(v.b), L::template Sar<kBits>(v.c),
            L::template Sar<kBits>(v.d)};
  }
  // Four vectors of consecutive elements.
  template <class T>
  static KVANT_INLINE F Load(const T* p) {
    const size_t n = L::N();
    return {L::Load(p), L::Load(p + n), L::Load(p + 2 * n), L::Load(p + 3 * n)};
  }
  // The same as kPairs. A bfloat16 is the upper half of a float: what lies in place needs no move. `upper`: 0xFFFF0000.
  static KVANT_INLINE F LoadPairs(const BFloat16* p, L::I upper) {
    const L::DI d;
    const L::I low = hn::LoadU(d, reinterpret_cast<const int32_t*>(p));
    const L::I high = hn::LoadU(d, reinterpret_cast<const int32_t*>(p + 2 * L::N()));
    return {L::FloatOf(L::Shl<16>(low)), L::FloatOf(L::And(low, upper)), L::FloatOf(L::Shl<16>(high)),
            L::FloatOf(L::And(high, upper))};
  }
  static KVANT_INLINE I LoadI(const int32_t* p) {
    const size_t n = L::N();
    return {L::LoadI(p), L::LoadI(p + n), L::LoadI(p + 2 * n), L::LoadI(p + 3 * n)};
  }
};

#endif  // !HWY_HAVE_SCALABLE

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
