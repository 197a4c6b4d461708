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

#include "kvant/rowwise/contiguous_rows-inl.h"
#include "kvant/rowwise/cpu_tuning.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

// Rows below this are less than a store, or than a vector of patterns.
template <class In, Format kFormat>
KVANT_INLINE size_t NarrowBelow() {
  const size_t block = BlockElements<kFormat>(), patterns = Patterns<In, false>::N();
  return block > patterns ? block : patterns;
}

// ContiguousRows for any n and strides, through a copy where rows are not contiguous, padded with their first element.
template <class In, Format kFormat, bool kAsymmetric>
HWY_NOINLINE RowMask CopiedNarrowRows(ShortRowsArgs a) {
  const size_t n = static_cast<size_t>(a.n), unit = Patterns<In, false>::N();
  const size_t padded = (n + unit - 1) / unit * unit, block = BlockElements<kFormat>();
  const size_t total = padded * static_cast<size_t>(a.rows);
  if (AreContiguous<In, kFormat>(a)) return ContiguousRows<In, kFormat, kAsymmetric>(a);
  // The bytes of a batch and up to a vector more for each row, or few rows that are less than a block; and the rest of
  // a block.
  constexpr size_t kMost = 8 * hn::MaxLanes(VectorLanes::DF());
  constexpr size_t kVector = hn::MaxLanes(VectorLanes::DF()) * sizeof(float);
  constexpr size_t kRoom =
      HWY_MAX((kShortRowsBytes + kShortRowsBatch * kVector) / sizeof(In), kMeasuredTogether * kMost) + kMost;
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
  a.flags &= ~kStreamStores;
  const RowMask left = ContiguousRows<In, kFormat, kAsymmetric>(a);
  for (int r = 0; r < a.rows; ++r) {
    CopyFew(RowOfY(given, r), y + CodeBytes<kFormat>(static_cast<size_t>(r) * padded), CodeBytes<kFormat>(n));
  }
  return left;
}

#if !HWY_HAVE_SCALABLE
// Whether a later row has the same destination; what it says is to be kept.
KVANT_INLINE bool IsOverwritten(const ShortRowsArgs& a, int r) {
  if (a.y_rows == nullptr && a.y_stride != 0) return false;
  for (int later = r + 1; later < a.rows; ++later) {
    if (RowOfY(a, later) == RowOfY(a, r)) return true;
  }
  return false;
}

// Encodes those of `rows` that its encoder takes, and returns the others. Rows are at most 64 whole blocks. Nothing is
// called in the loop, so that constants stay where they are: one by one rows of 128 take a fifth longer.
template <class Encoder, class In>
KVANT_INLINE RowMask FixedRows(const ShortRowsArgs& a, RowMask rows, const float* inverse) {
  const size_t n = static_cast<size_t>(a.n), block = BlockElements<Encoder::kTo>();
  const auto encoder = [&](int r) HWY_ATTR {
    return Encoder(RowParams{a.scale[r], Encoder::kHasOffset ? a.offset[r] : 0.0f, inverse[r]});
  };
  BlockConstants<Encoder> constants(encoder(0));
  uint64_t again[kShortRowsBatch];
  RowMask left = 0;
  for (int r = 0; r < a.rows; ++r) {
    again[r] = 0;
    const Encoder encode = encoder(r);
    if (HWY_UNLIKELY((rows >> r & 1) == 0 || !encode.Takes())) {
      left |= rows & (RowMask{1} << r);
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
RowMask ShortRows(const ShortRowsArgs& a) {
  using Encoder = RowEncoder<In, kFormat, kAsymmetric, false, Path::kFast>;
  const size_t n = static_cast<size_t>(a.n);
  if (n < NarrowBelow<In, kFormat>()) return CopiedNarrowRows<In, kFormat, kAsymmetric>(a);
#if !HWY_HAVE_SCALABLE
  if constexpr (Encoder::kFixed) {
    if (a.n <= kAsOneRow && AreContiguous<In, kFormat>(a)) return ContiguousRows<In, kFormat, kAsymmetric>(a);
  }
#endif
  BatchRange<In> range;
  MeasureBatch<kAsymmetric>(a, range);
  HWY_ALIGN float inverse[kShortRowsRoom];
  const RowMask regular = BatchParams<kAsymmetric>(a, PathRule(kFormat, kAsymmetric), range, inverse);
  const RowMask irregular = ~regular & AllRows(a.rows);
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
      for (RowMask left = FixedRows<Encoder, In>(a, regular, inverse); left != 0; left &= left - 1) {
        const int r = std::countr_zero(left);
        if (!IsOverwritten(a, r)) encode_row(r);
      }
      return irregular;
    }
  }
#endif
  for (RowMask rest = regular; rest != 0; rest &= rest - 1) encode_row(std::countr_zero(rest));
  return irregular;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
