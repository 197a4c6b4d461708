// Rows of a few hundred elements, a batch at a time: the divisions that make a row's scale, offset and inverse cost more
// than encoding 128 elements, so they are done for a vector of rows.
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

// Arrays have room for a vector beyond the batch, so that every load and store is whole.
inline constexpr size_t kBatchRoom = kShortRowsBatch + 64;

template <bool kAsymmetric>
KVANT_INLINE void BatchParams(const ShortRowsArgs& a, const float* min, const float* max, float* scale, float* offset,
                              float* inverse) {
  const hn::ScalableTag<float> df;
  for (size_t i = 0; i < static_cast<size_t>(a.rows); i += VectorLanes::N()) {
    const F high = hn::LoadU(df, max + i);
    F s;
    if constexpr (kAsymmetric) {
      s = AsymmetricScale<VectorLanes>(hn::LoadU(df, min + i), high, VectorLanes::Set(a.r));
      hn::StoreU(AsymmetricOffset<VectorLanes>(high, s, VectorLanes::Set(a.d)), df, offset + i);
    } else {
      s = SymmetricScale<VectorLanes>(high, VectorLanes::Set(a.d));
    }
    hn::StoreU(s, df, scale + i);
    hn::StoreU(VectorLanes::Div(VectorLanes::Set(1.0f), s), df, inverse + i);
  }
}

// Measures and encodes the regular rows; returns the others.
template <class In, Format kFormat, bool kAsymmetric>
uint32_t ShortRows(const ShortRowsArgs& a) {
  const size_t n = static_cast<size_t>(a.n);
  const In* x = static_cast<const In*>(a.x);
  HWY_ALIGN float min[kBatchRoom];
  HWY_ALIGN float max[kBatchRoom];
  for (int r = 0; r < a.rows; ++r) {
    const In* row = x + r * a.x_stride;
    Fetch(a.prefetch, static_cast<size_t>(r) * a.x_stride * sizeof(In), n * sizeof(In));
    if constexpr (kAsymmetric) {
      const MinMaxBits bits = MeasureMinMax<In, false>(row, nullptr, n);
      min[r] = std::bit_cast<float>(OrderOf(bits.min));
      max[r] = std::bit_cast<float>(OrderOf(bits.max));
    } else {
      max[r] = std::bit_cast<float>(MeasureAmax<In, false>(row, nullptr, n));
    }
  }
  for (size_t r = static_cast<size_t>(a.rows); r < VectorLanes::N(); ++r) min[r] = max[r] = 1.0f;

  HWY_ALIGN float scale[kBatchRoom];
  HWY_ALIGN float offset[kBatchRoom];
  HWY_ALIGN float inverse[kBatchRoom];
  BatchParams<kAsymmetric>(a, min, max, scale, offset, inverse);

  const PathRule rule(kFormat, kAsymmetric, !std::is_same_v<In, Float16>);
  uint32_t left = 0;
  for (int r = 0; r < a.rows; ++r) {
    const RowParams p{scale[r], kAsymmetric ? offset[r] : 0.0f, inverse[r]};
    if (HWY_UNLIKELY(rule.For(p.scale, p.offset) != Path::kFast)) {
      left |= 1u << r;
      continue;
    }
    a.scale[r] = p.scale;
    if constexpr (kAsymmetric) a.offset[r] = p.offset;
    const RowEncoder<In, kFormat, kAsymmetric, false, Path::kFast> encode(p);
    EncodeRow<kFormat, false>(encode, x + r * a.x_stride, nullptr, n, a.y + r * a.y_stride, nullptr,
                              (a.flags & kStreamStores) != 0);
  }
  return left;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
