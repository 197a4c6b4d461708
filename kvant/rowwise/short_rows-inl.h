// Rows of a few hundred elements, a batch at a time: the divisions that make a row's scale, offset and inverse cost
// more than encoding 128 elements, so they are done for a vector of rows.
#if defined(KVANT_ROWWISE_SHORT_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_ROWWISE_SHORT_ROWS_INL_H_
#undef KVANT_ROWWISE_SHORT_ROWS_INL_H_
#else
#define KVANT_ROWWISE_SHORT_ROWS_INL_H_
#endif

#include <bit>
#include <cstring>

#include "kvant/rowwise/batch-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

// Elements of a batch to codes where rows are whole vectors, one after the other, but fewer than a store is made of:
// each vector has the parameters of its row.
template <class In, Format kFormat, bool kAsymmetric>
struct NarrowRowsEncoder {
  static constexpr Format kTo = kFormat;
  static constexpr bool kFixed = false;

  const In* x;
  const float *scale, *inverse, *offset;
  size_t rows_per_vector;  // times 2^16, rounded up: j * this / 2^16 is the row of vector j

  template <class L>
  KVANT_INLINE typename L::I Encode(const In* at, const float*) const {
    const size_t j = static_cast<size_t>(at - x) / VectorLanes::N();
    return EncodeFast<kFormat, kAsymmetric, std::is_same_v<In, float>, L>(
        L::Load(at), 1.0f, Of<L>(scale, j), Of<L>(inverse, j), kAsymmetric ? Of<L>(offset, j) : L::Set(0.0f));
  }

 private:
  KVANT_INLINE float One(const float* values, size_t j) const { return values[j * rows_per_vector >> 16]; }
  template <class L>
  KVANT_INLINE typename L::F Of(const float* values, size_t j) const {
    if constexpr (std::is_same_v<L, VectorLanes>) {
      return L::Set(One(values, j));
    } else {
      return {VectorLanes::Set(One(values, j)), VectorLanes::Set(One(values, j + 1)),
              VectorLanes::Set(One(values, j + 2)), VectorLanes::Set(One(values, j + 3))};
    }
  }
};

// Rows below this are encoded by NarrowRowsEncoder: a store, and a vector of patterns.
template <class In, Format kFormat>
KVANT_INLINE size_t NarrowBelow() {
  const size_t block = BlockElements<kFormat>(), patterns = Patterns<In, false>::N();
  return block > patterns ? block : patterns;
}

// Measures and encodes the regular rows; returns the others, whose codes are unspecified. Rows are whole vectors of
// patterns, they and their codes are contiguous, and there is room for whole stores.
template <class In, Format kFormat, bool kAsymmetric>
KVANT_INLINE uint32_t NarrowRows(const ShortRowsArgs& a) {
  const size_t n = static_cast<size_t>(a.n), block = BlockElements<kFormat>();
  const In* x = static_cast<const In*>(a.x);
  BatchRange<In> range;
  MeasureBatch<kAsymmetric>(a, range);
  HWY_ALIGN float inverse[kShortRowsRoom];
  const uint32_t regular = BatchParams<kAsymmetric>(a, PathRule(kFormat, kAsymmetric), range, inverse);
  const size_t vectors = n / VectorLanes::N();
  const NarrowRowsEncoder<In, kFormat, kAsymmetric> encode{x, a.scale, inverse, a.offset,
                                                           (size_t{65536} + vectors - 1) / vectors};
  const size_t total = n * static_cast<size_t>(a.rows);
  for (size_t i = 0; i < total; i += block) {
    Fetch(a.prefetch, i * sizeof(In), block * sizeof(In), a.flags);
    EncodeBlock<false>(encode, NoConstants(encode), x + i, nullptr, a.y + CodeBytes<kFormat>(i), 0);
  }
  return ~regular & ((1u << a.rows) - 1);
}

// The same for any n and strides, through a copy where they are not as above. Rows are padded with their first element.
template <class In, Format kFormat, bool kAsymmetric>
HWY_NOINLINE uint32_t CopiedNarrowRows(ShortRowsArgs a) {
  const size_t n = static_cast<size_t>(a.n), unit = Patterns<In, false>::N();
  const size_t padded = (n + unit - 1) / unit * unit, block = BlockElements<kFormat>();
  const size_t total = padded * static_cast<size_t>(a.rows);
  if (a.x_rows == nullptr && a.y_rows == nullptr && n == padded && a.x_stride == a.n &&
      a.y_stride == static_cast<int64_t>(CodeBytes<kFormat>(n)) && total % block == 0) {
    return NarrowRows<In, kFormat, kAsymmetric>(a);
  }
  constexpr size_t kRoom = kShortRowsBatch * 8 * hn::MaxLanes(VectorLanes::DF());
  HWY_ALIGN In x[kRoom];
  HWY_ALIGN uint8_t y[kRoom];
  const ShortRowsArgs given = a;
  for (int r = 0; r < a.rows; ++r) {
    In* row = x + static_cast<size_t>(r) * padded;
    CopyFew(row, RowOfX<In>(given, r), n * sizeof(In));
    for (size_t i = n; i < padded; ++i) row[i] = row[0];
  }
  if (total % block != 0) std::memset(x + total, 0, (block - total % block) * sizeof(In));
  a.x_rows = nullptr;
  a.x = x;
  a.x_stride = a.n = static_cast<int64_t>(padded);
  a.y = y;
  const uint32_t left = NarrowRows<In, kFormat, kAsymmetric>(a);
  for (int r = 0; r < a.rows; ++r) {
    CopyFew(RowOfY(given, r), y + CodeBytes<kFormat>(static_cast<size_t>(r) * padded), CodeBytes<kFormat>(n));
  }
  return left;
}

#if !HWY_HAVE_SCALABLE
// Whether a later row has the same destination; what it says is to be kept.
KVANT_INLINE bool IsOverwritten(const ShortRowsArgs& a, int r) {
  for (int later = r + 1; later < a.rows; ++later) {
    if (RowOfY(a, later) == RowOfY(a, r)) return true;
  }
  return false;
}

// Encodes those of `rows` that its encoder takes, and returns the others. Rows are at most 64 whole blocks. Nothing is
// called in the loop, so that constants stay where they are: one by one rows of 128 take a fifth longer.
template <class Encoder, class In>
KVANT_INLINE uint32_t FixedRows(const ShortRowsArgs& a, uint32_t rows, const float* inverse) {
  const size_t n = static_cast<size_t>(a.n), block = BlockElements<Encoder::kTo>();
  const auto encoder = [&](int r) HWY_ATTR {
    return Encoder(RowParams{a.scale[r], Encoder::kHasOffset ? a.offset[r] : 0.0f, inverse[r]});
  };
  BlockConstants<Encoder> constants(encoder(0));
  uint64_t again[kShortRowsBatch];
  uint32_t left = 0;
  for (int r = 0; r < a.rows; ++r) {
    again[r] = 0;
    const Encoder encode = encoder(r);
    if (HWY_UNLIKELY((rows >> r & 1) == 0 || !encode.Takes())) {
      left |= rows & (1u << r);
      continue;
    }
    FetchRow<In, Encoder::kTo>(a, r);
    constants.Set(encode);
    const In* x = RowOfX<In>(a, r);
    uint8_t* y = RowOfY(a, r);
    uint64_t blocks = 0;
    for (size_t i = 0, b = 0; i < n; i += block, ++b) {
      const bool near = EncodeFixed<false>(encode, constants, x + i, nullptr, y + CodeBytes<Encoder::kTo>(i), a.flags);
      blocks |= uint64_t{near} << b;
    }
    again[r] = blocks;
  }
  for (int r = 0; r < a.rows; ++r) {
    if (again[r] == 0 || IsOverwritten(a, r)) continue;
    EncodeAgain<false>(encoder(r).ByQuotients(), RowOfX<In>(a, r), nullptr, RowOfY(a, r), again[r],
                       (a.flags & kStreamStores) != 0);
  }
  return left;
}
#endif

// Measures and encodes the regular rows; returns the others.
template <class In, Format kFormat, bool kAsymmetric>
uint32_t ShortRows(const ShortRowsArgs& a) {
  using Encoder = RowEncoder<In, kFormat, kAsymmetric, false, Path::kFast>;
  const size_t n = static_cast<size_t>(a.n);
  if (n < NarrowBelow<In, kFormat>()) return CopiedNarrowRows<In, kFormat, kAsymmetric>(a);
  BatchRange<In> range;
  MeasureBatch<kAsymmetric>(a, range);
  HWY_ALIGN float inverse[kShortRowsRoom];
  const uint32_t regular = BatchParams<kAsymmetric>(a, PathRule(kFormat, kAsymmetric), range, inverse);
  const uint32_t irregular = ~regular & ((1u << a.rows) - 1);
  const auto encode_row = [&](int r) HWY_ATTR {
    // Here and not while measuring: spread out, the requests do not wait for each other (65536x128: 55 to 68 %).
    FetchRow<In, kFormat>(a, r);
    const Encoder encode(RowParams{a.scale[r], kAsymmetric ? a.offset[r] : 0.0f, inverse[r]});
    EncodeRow<kFormat, false>(ByQuotients(encode), RowOfX<In>(a, r), nullptr, n, RowOfY(a, r), nullptr, a.flags);
  };
#if !HWY_HAVE_SCALABLE
  if constexpr (Encoder::kFixed) {
    const size_t block = BlockElements<kFormat>();
    const auto y = reinterpret_cast<uintptr_t>(a.y) | static_cast<uintptr_t>(a.y_stride);
    const bool aligned = (a.flags & kStreamStores) == 0 || (a.y_rows == nullptr && y % CodeBytes<kFormat>(block) == 0);
    if (n % block == 0 && n <= 64 * block && aligned) {
      for (uint32_t left = FixedRows<Encoder, In>(a, regular, inverse); left != 0; left &= left - 1) {
        const int r = std::countr_zero(left);
        if (!IsOverwritten(a, r)) encode_row(r);
      }
      return irregular;
    }
  }
#endif
  for (uint32_t rest = regular; rest != 0; rest &= rest - 1) encode_row(std::countr_zero(rest));
  return irregular;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
