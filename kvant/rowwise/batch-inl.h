// What encodes a batch of short rows: statistics of each row, and scales, offsets and inverses made for a vector of
// rows at a time.
#if defined(KVANT_ROWWISE_BATCH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_ROWWISE_BATCH_INL_H_
#undef KVANT_ROWWISE_BATCH_INL_H_
#else
#define KVANT_ROWWISE_BATCH_INL_H_
#endif

#include "kvant/rowwise/encode-inl.h"
#include "kvant/rowwise/measure-inl.h"
#include "kvant/rowwise/regular.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

// The largest lane of each of kMeasuredTogether vectors, without reducing one at a time: vectors are folded to 128
// bits, and those are interleaved and folded until a lane is a row.
template <class T>
class RowMaxima {
  static constexpr size_t kRows = kMeasuredTogether;
  using D = hn::ScalableTag<T>;

 public:
#if HWY_HAVE_SCALABLE
  KVANT_INLINE void Put(size_t r, hn::Vec<D> v) { maxima_[r] = ReduceMax<T>(v); }
  KVANT_INLINE void Reduce(T* maxima) const { std::memcpy(maxima, maxima_, sizeof(maxima_)); }

 private:
  T maxima_[kRows];
#else
  KVANT_INLINE void Put(size_t r, hn::Vec<D> v) {
    // Neighbours in memory are kLanes rows apart.
    hn::Store(Fold(D(), v), hn::CappedTag<T, kLanes>(), folded_ + (r % kLanes * kGroups + r / kLanes) * kLanes);
  }
  KVANT_INLINE void Reduce(T* maxima) const {
    const hn::CappedTag<T, kRows> d;
    for (size_t g = 0; g < kRows; g += hn::Lanes(d)) {
      hn::Vec<decltype(d)> v[kLanes];
      KVANT_UNROLL for (size_t i = 0; i < kLanes; ++i) v[i] = Joined(d, folded_ + i * kRows + g);
      KVANT_UNROLL for (size_t half = kLanes / 2; half != 0; half /= 2) {
        KVANT_UNROLL for (size_t i = 0; i < half; ++i) {
          v[i] = hn::Max(hn::InterleaveLower(d, v[i], v[i + half]), hn::InterleaveUpper(d, v[i], v[i + half]));
        }
      }
      hn::Store(v[0], d, maxima + g);
    }
  }

 private:
  static constexpr size_t kLanes = 16 / sizeof(T);  // of 128 bits
  static constexpr size_t kGroups = kRows / kLanes;

  template <class DV>
  static KVANT_INLINE auto Fold(DV d, hn::Vec<DV> v) {
    if constexpr (hn::MaxLanes(DV()) > kLanes) {
      const hn::Half<DV> half;
      return Fold(half, hn::Max(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
    } else {
      (void)d;
      return v;
    }
  }

  // 128 bits at a time, as they were stored: a wider load would wait until they are in cache.
  template <class DV>
  static KVANT_INLINE hn::Vec<DV> Joined(DV d, const T* from) {
    if constexpr (hn::MaxLanes(DV()) > kLanes) {
      const hn::Half<DV> half;
      return hn::Combine(d, Joined(half, from + hn::Lanes(half)), Joined(half, from));
    } else {
      return hn::Load(d, from);
    }
  }

  HWY_ALIGN T folded_[kRows * kLanes];
#endif
};

// What a batch is measured as: patterns of the smallest and the largest element of each row, or of the largest
// magnitude alone.
template <class In>
struct BatchRange {
  using P = Patterns<In, false>;
  using Unsigned = typename P::Unsigned;
  HWY_ALIGN Unsigned min[kShortRowsRoom];
  HWY_ALIGN Unsigned max[kShortRowsRoom];
};

template <class In>
KVANT_INLINE const In* RowOfX(const ShortRowsArgs& a, int r) {
  return a.x_rows != nullptr ? reinterpret_cast<const In*>(a.x_rows[r]) : static_cast<const In*>(a.x) + r * a.x_stride;
}
KVANT_INLINE uint8_t* RowOfY(const ShortRowsArgs& a, int r) {
  return a.y_rows != nullptr ? reinterpret_cast<uint8_t*>(a.y_rows[r]) : a.y + r * a.y_stride;
}
template <class In, Format kFormat>
KVANT_INLINE void FetchRow(const ShortRowsArgs& a, int r) {
  const size_t bytes = static_cast<size_t>(a.n) * sizeof(In);
  if (a.prefetch_rows != nullptr) {
    Fetch(a.prefetch_rows[r], 0, bytes, a.flags);
  } else {
    Fetch(a.prefetch, static_cast<size_t>(r * a.x_stride) * sizeof(In), bytes, a.flags);
  }
  Fetch(a.prefetch_y, static_cast<size_t>(r * a.y_stride), CodeBytes<kFormat>(static_cast<size_t>(a.n)), a.flags);
}

// From row `begin` on, at most kMeasuredTogether.
template <bool kAsymmetric, class In>
KVANT_INLINE void MeasureTogether(const ShortRowsArgs& a, int begin, BatchRange<In>& range) {
  using P = Patterns<In, false>;
  using Signed = typename P::Signed;
  using Unsigned = typename P::Unsigned;
  const size_t n = static_cast<size_t>(a.n);
  const int rows = HWY_MIN(a.rows - begin, kMeasuredTogether);
  RowMaxima<Signed> signed_rows;
  RowMaxima<Unsigned> unsigned_rows;
  for (int r = 0; r < kMeasuredTogether; ++r) {
    typename P::VS s = hn::Zero(typename P::DS());
    typename P::VU u = hn::Set(typename P::DU(), static_cast<Unsigned>(~Unsigned{0}));  // as of a row of both signs
    if (HWY_LIKELY(r < rows)) {
      ScanMaxima<In, false>(RowOfX<In>(a, begin + r), nullptr, n, nullptr, s, u);
    }
    signed_rows.Put(static_cast<size_t>(r), s);
    unsigned_rows.Put(static_cast<size_t>(r), u);
  }
  Unsigned* const min = range.min + begin;
  Unsigned* const max = range.max + begin;
  HWY_ALIGN Signed most[kMeasuredTogether];
  signed_rows.Reduce(most);
  unsigned_rows.Reduce(min);
  if constexpr (kAsymmetric) {
    const hn::CappedTag<Signed, kMeasuredTogether> d;
    auto both_signs = hn::Set(d, Signed{-1});
    for (size_t r = 0; r < kMeasuredTogether; r += hn::Lanes(d)) {
      const auto v = hn::Load(d, most + r);
      hn::Store(hn::BitCast(hn::RebindToUnsigned<decltype(d)>(), v), hn::RebindToUnsigned<decltype(d)>(), max + r);
      both_signs = hn::And(both_signs, hn::AndNot(v, hn::Load(d, reinterpret_cast<const Signed*>(min + r))));
    }
    if (HWY_UNLIKELY(!hn::AllTrue(d, hn::Lt(both_signs, hn::Zero(d))))) {
      for (int r = 0; r < rows; ++r) {
        const PatternRange exact = RangeOfExtremes<In, false>({most[r], min[r]}, RowOfX<In>(a, begin + r), nullptr, n);
        min[r] = static_cast<Unsigned>(exact.min);
        max[r] = static_cast<Unsigned>(exact.max);
      }
    }
  } else {
    for (int r = 0; r < kMeasuredTogether; ++r) {
      max[r] = static_cast<Unsigned>(AmaxOfExtremes<In, false>({most[r], min[r]}));
    }
  }
}

template <bool kAsymmetric, class In>
KVANT_INLINE void MeasureBatch(const ShortRowsArgs& a, BatchRange<In>& range) {
  for (int r = 0; r < a.rows; r += kMeasuredTogether) MeasureTogether<kAsymmetric>(a, r, range);
}

template <bool kScale>
KVANT_INLINE F KeptInTable(F v, DType table) {
  if (HWY_LIKELY(table == DType::kFloat32)) return v;
  if (table == DType::kFloat16) {
    return kScale ? ScaleKeptIn16Bits<VectorLanes, false>(v) : KeptIn16Bits<VectorLanes, false>(v);
  }
  return kScale ? ScaleKeptIn16Bits<VectorLanes, true>(v) : KeptIn16Bits<VectorLanes, true>(v);
}

// The bits of numbers that a table of 16 bits can keep.
KVANT_INLINE void StoreKept(F v, DType table, uint16_t* to) {
  const hn::Rebind<uint16_t, VectorLanes::DF> d16;
  if (table == DType::kFloat16) {
    hn::StoreU(hn::BitCast(d16, hn::DemoteTo(hn::Rebind<hwy::float16_t, VectorLanes::DF>(), v)), d16, to);
  } else {
    hn::StoreU(hn::DemoteTo(d16, VectorLanes::Shr<16>(hn::BitCast(VectorLanes::DI(), v))), d16, to);
  }
}

// Whether codes stay in range with kept parameters: RowTask::PathOf. A product with the inverse is within 2^-4 of the
// quotient where the sum may be in range (both are below 2^19, as |offset| <= kOffsetUpTo): less than the slack leaves.
KVANT_INLINE hn::Mask<VectorLanes::DF> InRange(const ShortRowsArgs& a, const PathRule& rule, F low, F high, F inverse,
                                               F offset) {
  const F least = VectorLanes::Set(a.d - a.r - rule.slack), most = VectorLanes::Set(a.d + rule.slack);
  return hn::And(hn::Ge(hn::Add(hn::Mul(low, inverse), offset), least),
                 hn::Le(hn::Add(hn::Mul(high, inverse), offset), most));
}

// A bit for each lane.
KVANT_INLINE RowMask RowsOfMask(hn::Mask<VectorLanes::DF> mask) {
  uint8_t bits[8] = {};
  hn::StoreMaskBits(VectorLanes::DF(), mask, bits);
  RowMask word;
  std::memcpy(&word, bits, sizeof(word));
  return word;
}

// Scale, offset and inverse of every row from its extremes; returns the rows that the fast path may encode.
template <bool kAsymmetric, class In>
KVANT_INLINE RowMask BatchParams(const ShortRowsArgs& a, const PathRule& rule, const BatchRange<In>& range,
                                 float* inverse) {
  const In* min = reinterpret_cast<const In*>(range.min);
  const In* max = reinterpret_cast<const In*>(range.max);
  const VectorLanes::DF df;
  const size_t N = VectorLanes::N();
  RowMask regular = 0;
  for (size_t i = 0; i < static_cast<size_t>(a.rows); i += N) {
    const F high = VectorLanes::Load(max + i), low = kAsymmetric ? VectorLanes::Load(min + i) : hn::Neg(high);
    F s = kAsymmetric ? AsymmetricScale<VectorLanes>(low, high, VectorLanes::Set(a.r))
                      : SymmetricScale<VectorLanes>(high, VectorLanes::Set(a.d));
    s = KeptInTable<true>(s, a.table);
    const F inverted = VectorLanes::Div(VectorLanes::Set(1.0f), s);
    hn::StoreU(s, df, a.scale + i);
    hn::StoreU(inverted, df, inverse + i);
    // Comparisons with a NaN are false, so it is not regular.
    auto fast = hn::And(hn::Ge(s, VectorLanes::Set(rule.fast_from)), hn::Le(s, VectorLanes::Set(rule.kScaleUpTo)));
    F offset = VectorLanes::Set(0.0f);
    if constexpr (kAsymmetric) {
      offset = KeptInTable<false>(AsymmetricOffset<VectorLanes>(high, s, VectorLanes::Set(a.d)), a.table);
      hn::StoreU(offset, df, a.offset + i);
      const F magnitude = hn::Abs(offset);
      fast = hn::And(fast, hn::And(hn::Ge(magnitude, VectorLanes::Set(rule.offset_from)),
                                   hn::Le(magnitude, VectorLanes::Set(rule.kOffsetUpTo))));
    }
    if (HWY_UNLIKELY(a.table != DType::kFloat32)) {
      fast = hn::And(fast, InRange(a, rule, low, high, inverted, offset));
      StoreKept(s, a.table, a.kept_scale + i);
      if (kAsymmetric) StoreKept(offset, a.table, a.kept_offset + i);
    }
    regular |= RowsOfMask(fast) << i;
  }
  return regular & AllRows(a.rows);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
