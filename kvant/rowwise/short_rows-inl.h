// Rows of a few hundred elements, a batch at a time: the divisions that make a row's scale, offset and inverse cost
// more than encoding 128 elements, so they are done for a vector of rows.
#if defined(KVANT_ROWWISE_SHORT_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_ROWWISE_SHORT_ROWS_INL_H_
#undef KVANT_ROWWISE_SHORT_ROWS_INL_H_
#else
#define KVANT_ROWWISE_SHORT_ROWS_INL_H_
#endif

#include "kvant/rowwise/encode-inl.h"
#include "kvant/rowwise/measure-inl.h"
#include "kvant/rowwise/regular.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

// Scale, offset and inverse of every row from its extremes; returns the rows that the fast path may encode.
template <bool kAsymmetric, class In>
KVANT_INLINE uint32_t BatchParams(const ShortRowsArgs& a, const PathRule& rule, const In* min, const In* max,
                                  float* inverse) {
  const VectorLanes::DF df;
  const size_t N = VectorLanes::N();
  uint32_t regular = 0;
  for (size_t i = 0; i < static_cast<size_t>(a.rows); i += N) {
    const F high = VectorLanes::Load(max + i);
    F s;
    if constexpr (kAsymmetric) {
      s = AsymmetricScale<VectorLanes>(VectorLanes::Load(min + i), high, VectorLanes::Set(a.r));
    } else {
      s = SymmetricScale<VectorLanes>(high, VectorLanes::Set(a.d));
    }
    // Comparisons with a NaN are false, so it is not regular.
    auto fast = hn::And(hn::Ge(s, VectorLanes::Set(rule.fast_from)), hn::Le(s, VectorLanes::Set(rule.kScaleUpTo)));
    if constexpr (kAsymmetric) {
      const F offset = AsymmetricOffset<VectorLanes>(high, s, VectorLanes::Set(a.d));
      const F magnitude = hn::Abs(offset);
      fast = hn::And(fast, hn::And(hn::Ge(magnitude, VectorLanes::Set(rule.offset_from)),
                                   hn::Le(magnitude, VectorLanes::Set(rule.kOffsetUpTo))));
      hn::StoreU(offset, df, a.offset + i);
    }
    hn::StoreU(s, df, a.scale + i);
    hn::StoreU(VectorLanes::Div(VectorLanes::Set(1.0f), s), df, inverse + i);
    uint8_t bits[8] = {};
    hn::StoreMaskBits(df, fast, bits);
    uint32_t word;
    std::memcpy(&word, bits, sizeof(word));
    regular |= word << i;
  }
  return regular & ((1u << a.rows) - 1);
}

// Measures and encodes the regular rows; returns the others.
template <class In, Format kFormat, bool kAsymmetric>
uint32_t ShortRows(const ShortRowsArgs& a) {
  using Word = std::conditional_t<std::is_same_v<In, float>, uint32_t, uint16_t>;
  const size_t n = static_cast<size_t>(a.n);
  const In* x = static_cast<const In*>(a.x);
  HWY_ALIGN Word min[kShortRowsRoom];
  HWY_ALIGN Word max[kShortRowsRoom];
  for (int r = 0; r < a.rows; ++r) {
    const In* row = x + r * a.x_stride;
    Fetch(a.prefetch, static_cast<size_t>(r * a.x_stride) * sizeof(In), n * sizeof(In));
    const Extremes e = ScanExtremes<In, false>(row, nullptr, n);
    if constexpr (kAsymmetric) {
      const PatternRange range = RangeOfExtremes<In, false>(e, row, nullptr, n);
      min[r] = static_cast<Word>(range.min);
      max[r] = static_cast<Word>(range.max);
    } else {
      max[r] = static_cast<Word>(AmaxOfExtremes<In, false>(e));
    }
  }
  // Lanes without a row compute something harmless.
  for (size_t r = static_cast<size_t>(a.rows); r % VectorLanes::N() != 0; ++r) min[r] = max[r] = 0;

  HWY_ALIGN float inverse[kShortRowsRoom];
  const PathRule rule(kFormat, kAsymmetric, !std::is_same_v<In, Float16>);
  const uint32_t regular =
      BatchParams<kAsymmetric>(a, rule, reinterpret_cast<const In*>(min), reinterpret_cast<const In*>(max), inverse);
  for (int r = 0; r < a.rows; ++r) {
    if (HWY_UNLIKELY((regular >> r & 1) == 0)) continue;
    const RowEncoder<In, kFormat, kAsymmetric, false, Path::kFast> encode(
        {a.scale[r], kAsymmetric ? a.offset[r] : 0.0f, inverse[r]});
    EncodeRow<kFormat, false>(encode, x + r * a.x_stride, nullptr, n, a.y + r * a.y_stride, nullptr,
                              (a.flags & kStreamStores) != 0);
  }
  return ~regular & ((1u << a.rows) - 1);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
