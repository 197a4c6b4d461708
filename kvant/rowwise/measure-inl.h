// Row statistics on bit patterns: the signed maximum of the patterns is the largest element if any is positive, their
// unsigned maximum the smallest if any is negative. Rows of one sign need a second scan for the unsigned minimum. No
// conversion, no rounding, and a NaN comes out as a pattern beyond infinity.
#if defined(KVANT_ROWWISE_MEASURE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_ROWWISE_MEASURE_INL_H_
#undef KVANT_ROWWISE_MEASURE_INL_H_
#else
#define KVANT_ROWWISE_MEASURE_INL_H_
#endif

#include <cstring>

#include "hwy/cache_control.h"
#include "kvant/numerics/lanes_hwy-inl.h"
#include "kvant/rowwise/kernels.h"
#include "kvant/rowwise/row_params.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

template <class T>
KVANT_INLINE T ReduceMax(hn::Vec<hn::ScalableTag<T>> v) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
  // phminposuw finds the least of eight uint16; the patterns are flipped so that the wanted one is the least.
  if constexpr (sizeof(T) == 2) {
    constexpr int16_t kFlip = std::is_signed_v<T> ? 0x7FFF : -1;
#if HWY_TARGET == HWY_AVX3
    const __m256i low = _mm512_castsi512_si256(v.raw), high = _mm512_extracti64x4_epi64(v.raw, 1);
    const __m256i v256 = std::is_signed_v<T> ? _mm256_max_epi16(low, high) : _mm256_max_epu16(low, high);
#else
    const __m256i v256 = v.raw;
#endif
    const __m128i low128 = _mm256_castsi256_si128(v256), high128 = _mm256_extracti128_si256(v256, 1);
    const __m128i v128 = std::is_signed_v<T> ? _mm_max_epi16(low128, high128) : _mm_max_epu16(low128, high128);
    const __m128i least = _mm_minpos_epu16(_mm_xor_si128(v128, _mm_set1_epi16(kFlip)));
    return static_cast<T>(_mm_cvtsi128_si32(least) ^ kFlip);
  }
#endif
  const hn::ScalableTag<T> d;
  if constexpr (sizeof(T) == 2) {
    T lanes[hn::MaxLanes(d)];
    hn::StoreU(v, d, lanes);
    T most = lanes[0];
    for (size_t i = 1; i < hn::Lanes(d); ++i) most = lanes[i] > most ? lanes[i] : most;
    return most;
  } else {
    return hn::GetLane(hn::MaxOfLanes(d, v));
  }
}

// fp32 bits of a pattern of the element type.
template <class In>
KVANT_INLINE int32_t WidenPattern(uint32_t pattern) {
  if constexpr (std::is_same_v<In, float>) {
    return static_cast<int32_t>(pattern);
  } else {
    return std::bit_cast<int32_t>(ToFloat32(In{static_cast<uint16_t>(pattern)}));
  }
}

KVANT_INLINE int32_t OrderOf(int32_t bits) { return scalar::OrderedBits<ScalarLanes>(bits); }

// Vectors of patterns of x' = x * smooth: 16-bit ones as they are, 32-bit ones of fp32 input or of a product.
template <class In, bool kSmooth>
struct Patterns {
  static constexpr bool kWide = kSmooth || std::is_same_v<In, float>;
  using Signed = std::conditional_t<kWide, int32_t, int16_t>;
  using Unsigned = std::make_unsigned_t<Signed>;
  using Element = std::conditional_t<kWide, float, In>;  // whose patterns these are
  using DS = hn::ScalableTag<Signed>;
  using DU = hn::ScalableTag<Unsigned>;
  using VS = hn::Vec<DS>;
  using VU = hn::Vec<DU>;

  static KVANT_INLINE size_t N() { return hn::Lanes(DS()); }
  static KVANT_INLINE VS Load(const In* x, const float* smooth) {
    if constexpr (kSmooth) {
      return hn::BitCast(DS(), VectorLanes::Mul(VectorLanes::Load(x), VectorLanes::Load(smooth)));
    } else {
      (void)smooth;
      return hn::LoadU(DS(), reinterpret_cast<const Signed*>(x));
    }
  }
};

// Signed and unsigned maximum of the patterns of at least a vector of elements.
struct Extremes {
  int32_t signed_max;
  uint32_t unsigned_max;
};

template <class In, bool kSmooth>
KVANT_INLINE void ScanMaxima(const In* x, const float* smooth, size_t n, const void* prefetch,
                             typename Patterns<In, kSmooth>::VS& signed_max,
                             typename Patterns<In, kSmooth>::VU& unsigned_max) {
  using P = Patterns<In, kSmooth>;
  const typename P::DU du;
  const size_t N = P::N();
  auto s0 = P::Load(x, smooth), s1 = s0;
  auto u0 = hn::BitCast(du, s0), u1 = u0;
  size_t i = n < 4 * N ? N : 0;
  for (; i + 4 * N <= n; i += 4 * N) {
    if (prefetch != nullptr) hwy::Prefetch(static_cast<const char*>(prefetch) + i * sizeof(In) / 4);
    const float* sm = kSmooth ? smooth + i : nullptr;
    const auto a = InRegister(P::Load(x + i, sm));
    const auto b = InRegister(P::Load(x + i + N, kSmooth ? sm + N : nullptr));
    const auto c = InRegister(P::Load(x + i + 2 * N, kSmooth ? sm + 2 * N : nullptr));
    const auto d = InRegister(P::Load(x + i + 3 * N, kSmooth ? sm + 3 * N : nullptr));
    s0 = hn::Max(s0, a);
    s1 = hn::Max(s1, b);
    u0 = hn::Max(u0, hn::BitCast(du, a));
    u1 = hn::Max(u1, hn::BitCast(du, b));
    s0 = InRegister(hn::Max(s0, c));
    s1 = InRegister(hn::Max(s1, d));
    u0 = InRegister(hn::Max(u0, hn::BitCast(du, c)));
    u1 = InRegister(hn::Max(u1, hn::BitCast(du, d)));
  }
  for (; i < n; i += N) {
    const size_t at = i + N <= n ? i : n - N;
    const auto a = P::Load(x + at, kSmooth ? smooth + at : nullptr);
    s0 = hn::Max(s0, a);
    u0 = hn::Max(u0, hn::BitCast(du, a));
  }
  signed_max = hn::Max(s0, s1);
  unsigned_max = hn::Max(u0, u1);
}

template <class In, bool kSmooth>
KVANT_INLINE Extremes ScanExtremes(const In* x, const float* smooth, size_t n, const void* prefetch) {
  using P = Patterns<In, kSmooth>;
  typename P::VS s;
  typename P::VU u;
  ScanMaxima<In, kSmooth>(x, smooth, n, prefetch, s, u);
  return {ReduceMax<typename P::Signed>(s), ReduceMax<typename P::Unsigned>(u)};
}

template <class In, bool kSmooth>
HWY_NOINLINE uint32_t ScanUnsignedMin(const In* x, const float* smooth, size_t n) {
  using P = Patterns<In, kSmooth>;
  const typename P::DU du;
  const size_t N = P::N();
  auto flipped = hn::Not(hn::BitCast(du, P::Load(x, smooth)));
  for (size_t i = 0; i < n; i += N) {
    const size_t at = i + N <= n ? i : n - N;
    flipped = hn::Max(flipped, hn::Not(hn::BitCast(du, P::Load(x + at, kSmooth ? smooth + at : nullptr))));
  }
  return static_cast<typename P::Unsigned>(~ReduceMax<typename P::Unsigned>(flipped));
}

// Smallest and largest element as patterns of the element type.
struct PatternRange {
  uint32_t min, max;
};

// From the extremes of at least N elements.
template <class In, bool kSmooth>
KVANT_INLINE PatternRange RangeOfExtremes(const Extremes& e, const In* x, const float* smooth, size_t n) {
  using P = Patterns<In, kSmooth>;
  constexpr uint32_t kSign = P::kWide ? 0x80000000u : 0x8000u;
  const bool any_positive = e.signed_max >= 0;
  const bool any_negative = (e.unsigned_max & kSign) != 0;
  PatternRange range{e.unsigned_max, static_cast<typename P::Unsigned>(e.signed_max)};
  if (HWY_UNLIKELY(!any_positive || !any_negative)) {
    (any_positive ? range.min : range.max) = ScanUnsignedMin<In, kSmooth>(x, smooth, n);
  }
  return range;
}

// Largest magnitude as a pattern.
template <class In, bool kSmooth>
KVANT_INLINE uint32_t AmaxOfExtremes(const Extremes& e) {
  constexpr uint32_t kMagnitude = Patterns<In, kSmooth>::kWide ? 0x7FFFFFFFu : 0x7FFFu;
  const uint32_t positive = e.signed_max >= 0 ? static_cast<uint32_t>(e.signed_max) : 0;
  const uint32_t negative = e.unsigned_max > kMagnitude ? e.unsigned_max & kMagnitude : 0;
  return positive > negative ? positive : negative;
}

// Rows shorter than a vector are padded with their own first element.
inline constexpr size_t kMaxPatterns = 128;  // 16-bit lanes of a 2048-bit vector
template <class In>
struct PaddedRow {
  In x[kMaxPatterns];
  float smooth[kMaxPatterns];
  PaddedRow(const In* from, const float* from_smooth, size_t n, size_t padded) {
    std::memcpy(x, from, n * sizeof(In));
    for (size_t i = n; i < padded; ++i) x[i] = from[0];
    if (from_smooth == nullptr) return;
    std::memcpy(smooth, from_smooth, n * sizeof(float));
    for (size_t i = n; i < padded; ++i) smooth[i] = from_smooth[0];
  }
};

template <class In, bool kSmooth>
KVANT_INLINE MinMaxBits MeasureMinMax(const In* x, const float* smooth, size_t n, const void* prefetch) {
  using Element = typename Patterns<In, kSmooth>::Element;
  const PatternRange range =
      RangeOfExtremes<In, kSmooth>(ScanExtremes<In, kSmooth>(x, smooth, n, prefetch), x, smooth, n);
  return {OrderOf(WidenPattern<Element>(range.min)), OrderOf(WidenPattern<Element>(range.max))};
}

template <class In, bool kSmooth>
KVANT_INLINE int32_t MeasureAmax(const In* x, const float* smooth, size_t n, const void* prefetch) {
  using Element = typename Patterns<In, kSmooth>::Element;
  return WidenPattern<Element>(AmaxOfExtremes<In, kSmooth>(ScanExtremes<In, kSmooth>(x, smooth, n, prefetch)));
}

template <class In>
MinMaxBits MinMax(const void* x_bytes, const float* smooth, int64_t count, const void* prefetch) {
  const In* x = static_cast<const In*>(x_bytes);
  const size_t n = static_cast<size_t>(count);
  const size_t N = smooth == nullptr ? Patterns<In, false>::N() : Patterns<In, true>::N();
  if (n < N) {
    const PaddedRow<In> padded(x, smooth, n, N);
    return smooth == nullptr ? MeasureMinMax<In, false>(padded.x, nullptr, N, nullptr)
                             : MeasureMinMax<In, true>(padded.x, padded.smooth, N, nullptr);
  }
  return smooth == nullptr ? MeasureMinMax<In, false>(x, nullptr, n, prefetch)
                           : MeasureMinMax<In, true>(x, smooth, n, prefetch);
}

template <class In>
int32_t Amax(const void* x_bytes, const float* smooth, int64_t count, const void* prefetch) {
  const In* x = static_cast<const In*>(x_bytes);
  const size_t n = static_cast<size_t>(count);
  const size_t N = smooth == nullptr ? Patterns<In, false>::N() : Patterns<In, true>::N();
  if (n < N) {
    const PaddedRow<In> padded(x, smooth, n, N);
    return smooth == nullptr ? MeasureAmax<In, false>(padded.x, nullptr, N, nullptr)
                             : MeasureAmax<In, true>(padded.x, padded.smooth, N, nullptr);
  }
  return smooth == nullptr ? MeasureAmax<In, false>(x, nullptr, n, prefetch)
                           : MeasureAmax<In, true>(x, smooth, n, prefetch);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
