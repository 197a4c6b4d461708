// What a vocabulary of lanes makes of three bit patterns: every verb, and the formulas built on them, as bits. NaNs
// have one pattern, because which one an operation makes is nobody's promise.
#ifndef KVANT_TESTING_CUDA_LANES_CUH_
#define KVANT_TESTING_CUDA_LANES_CUH_

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "kvant/core/dtype.h"
#include "kvant/core/half.h"
#include "kvant/formats/format.h"
#include "kvant/numerics/lanes_cuda.cuh"
#include "kvant/numerics/lanes_scalar.h"

namespace kvant::testing {

inline constexpr int kLaneResults = 45;
inline constexpr int kExactQuotients[] = {27, 28};  // the results that are 1 where a quotient is exact

namespace lanes {

#include "kvant/formats/codecs.inc"
#include "kvant/numerics/affine.inc"
#include "kvant/numerics/quotient.inc"
#include "kvant/numerics/swish.inc"

template <class L>
KVANT_HOST_DEVICE uint32_t Bits(float v) {
  return v != v ? 0x7FC00000u : static_cast<uint32_t>(L::Bits(v));
}

template <class T>
KVANT_HOST_DEVICE uint32_t Narrowed(float v, CudaLanes) {
  return CudaLanes::Narrow<T>(v).bits;
}
template <class T>
inline uint32_t Narrowed(float v, ScalarLanes) {
  return FromFloat32<T>(v).bits;
}
template <class T>
KVANT_HOST_DEVICE float Widened(uint16_t bits, CudaLanes) {
  return CudaLanes::Number(T{bits});
}
template <class T>
inline float Widened(uint16_t bits, ScalarLanes) {
  return ToFloat32(T{bits});
}

// Max of pairs, and what it is.
template <class T>
KVANT_HOST_DEVICE uint32_t LargerPair(uint32_t a, uint32_t b, CudaLanes) {
  return CudaPairs<T>::Max(a, b);
}
template <class T>
inline uint32_t LargerPair(uint32_t a, uint32_t b, ScalarLanes) {
  const auto larger = [](uint32_t i, uint32_t j) -> uint32_t {
    const float v = ToFloat32(T{static_cast<uint16_t>(i)}), w = ToFloat32(T{static_cast<uint16_t>(j)});
    if (v != v || w != w) return 0x7FFF;
    if (v == w) return (std::signbit(v) ? j : i) & 0xFFFF;
    return (v > w ? i : j) & 0xFFFF;
  };
  return larger(a, b) | larger(a >> 16, b >> 16) << 16;
}

// The results of one of `L`; functions of the host where L is ScalarLanes.
template <class L>
KVANT_HOST_DEVICE void Results(uint32_t i, uint32_t j, uint32_t k, uint32_t (&out)[kLaneResults]) {
  const auto ii = static_cast<int32_t>(i), jj = static_cast<int32_t>(j);
  const float a = L::FloatOf(ii), b = L::FloatOf(jj), c = L::FloatOf(static_cast<int32_t>(k));
  const bool numbers = a == a && b == b;
  int n = 0;
  const auto put = [&](uint32_t v) { out[n++] = v; };
  const auto put_f = [&](float v) { out[n++] = Bits<L>(v); };
  put_f(L::Add(a, b));
  put_f(L::Sub(a, b));
  put_f(L::Mul(a, b));
  put_f(L::Div(a, b));
  put_f(L::MulAdd(a, b, c));
  put_f(L::NegMulAdd(a, b, c));
  put_f(L::Sub(L::Mul(a, b), L::Mul(b, a)));  // what a contraction would change
  put_f(numbers && a != b ? L::Min(a, b) : 0);
  put_f(numbers && a != b ? L::Max(a, b) : 0);
  put_f(L::AtLeast(a, L::Set(-0.75f)));
  put_f(L::AtMost(a, L::Set(0.75f)));
  put(static_cast<uint32_t>(L::AddI(ii, jj)));
  put(static_cast<uint32_t>(L::SubI(ii, jj)));
  put(static_cast<uint32_t>(L::MinI(ii, jj)));
  put(static_cast<uint32_t>(L::MaxI(ii, jj)));
  put(static_cast<uint32_t>(L::BitSelect(static_cast<int32_t>(k), ii, jj)));
  put(static_cast<uint32_t>(L::template Shl<23>(ii)));
  put(static_cast<uint32_t>(L::template Shr<24>(ii)));
  put(static_cast<uint32_t>(L::template Sar<31>(ii)));
  put(static_cast<uint32_t>(L::ShlV(ii, static_cast<int32_t>(j & 31))));
  put(static_cast<uint32_t>(L::ShrV(ii, static_cast<int32_t>(j & 31))));
  put_f(L::ToFloat(ii));
  put(static_cast<uint32_t>(L::RoundToInt(a > -2e9f && a < 2e9f ? a : 0.5f)));
  put_f(Exp<L>(a));
  put_f(OnePlusExpOfMinus<L>(a));
  // Quotients of numbers that are neither large nor small: one correction for 11 bits, two for 24.
  const float x = L::FloatOf((ii & 0x007FFFFF) | 0x3F800000), s = L::FloatOf((jj & 0x007FFFFF) | 0x40000000);
  const float inverse = L::Div(1.0f, s), x11 = L::FloatOf(L::Bits(x) & ~0x1FFF);
  put_f(DivideBy<true, L>(x, s, inverse));
  put_f(DivideBy<false, L>(x11, s, inverse));
  put(Bits<L>(DivideBy<true, L>(x, s, inverse)) == Bits<L>(L::Div(x, s)) ? 1 : 0);
  put(Bits<L>(DivideBy<false, L>(x11, s, inverse)) == Bits<L>(L::Div(x11, s)) ? 1 : 0);
  put(static_cast<uint32_t>(CodecOf<L, Format::kInt8>::Encode(a)));
  put(static_cast<uint32_t>(CodecOf<L, Format::kInt4>::Encode(a)));
  put(static_cast<uint32_t>(CodecOf<L, Format::kFloat8E4M3FN>::Encode(a)));
  put(static_cast<uint32_t>(CodecOf<L, Format::kFloat8E5M2>::Encode(a)));
  put(static_cast<uint32_t>(CodecOf<L, Format::kHiFloat8>::Encode(a)));
  put(static_cast<uint32_t>(HiFloat8Codec<L, true>::Encode(a)));
  put_f(CodecOf<L, Format::kFloat8E4M3FN>::Decode(static_cast<int32_t>(i & 255)));
  put_f(CodecOf<L, Format::kFloat8E5M2>::Decode(static_cast<int32_t>(i & 255)));
  put_f(CodecOf<L, Format::kHiFloat8>::Decode(static_cast<int32_t>(i & 255)));
  put(Narrowed<Float16>(a, L()));
  put(Narrowed<BFloat16>(a, L()));
  put_f(Widened<Float16>(static_cast<uint16_t>(i), L()));
  put_f(Widened<BFloat16>(static_cast<uint16_t>(i), L()));
  put(static_cast<uint32_t>(OrderedBits<L>(ii)));
  put(LargerPair<Float16>(i, j, L()));
  put(LargerPair<BFloat16>(i, j, L()));
}

}  // namespace lanes

// Of each of n triples, on the device: 3 n patterns to kLaneResults n results, in device memory.
void RunLanesOnDevice(const uint32_t* triples, int64_t n, uint32_t* results);

// How often, of all 2^32 words, the device's instructions and the formulas that they stand for differ; to device
// memory.
struct LaneDifferences {
  unsigned long long float8_e4m3fn, float8_e5m2;         // codes of a float
  unsigned long long largest_float16, largest_bfloat16;  // the larger of its two halves
};
void CompareInstructionsOnDevice(LaneDifferences* differences);

}  // namespace kvant::testing

#endif  // KVANT_TESTING_CUDA_LANES_CUH_
