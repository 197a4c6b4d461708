// Rows of codes to rows of numbers: widen, decode, subtract the offset, multiply by the scale, round, store.
#if defined(KVANT_OPS_DEQUANTIZE_DECODE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_OPS_DEQUANTIZE_DECODE_INL_H_
#undef KVANT_OPS_DEQUANTIZE_DECODE_INL_H_
#else
#define KVANT_OPS_DEQUANTIZE_DECODE_INL_H_
#endif

#include <cmath>
#include <cstring>

#include "kvant/core/prefetch.h"
#include "kvant/formats/nibbles-inl.h"
#include "kvant/ops/dequantize/kernels.h"
#include "kvant/ops/dequantize/nibble_table-inl.h"
#include "kvant/ops/dequantize/numbers-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

using dequantize::DecodeArgs;

// Parameters of a row: the same for every element, or one for each.
struct RowParameters {
  float scale, offset;
  KVANT_INLINE F Scale(size_t) const { return VectorLanes::Set(scale); }
  KVANT_INLINE F Offset(size_t) const { return VectorLanes::Set(offset); }
  KVANT_INLINE RowParameters From(size_t) const { return *this; }
  KVANT_INLINE void AskForCodes(const uint8_t*, size_t) const {}
  KVANT_INLINE void AskForX(const void*, size_t) const {}
};
struct ColumnParameters {
  const float* scale;
  const float* offset;
  // How many bytes further memory is asked for; 0: it is not.
  size_t codes_ahead = 0, x_ahead = 0;
  KVANT_INLINE F Scale(size_t i) const { return VectorLanes::Load(scale + i); }
  KVANT_INLINE F Offset(size_t i) const { return VectorLanes::Load(offset + i); }
  // For codes that are in cache.
  KVANT_INLINE ColumnParameters From(size_t i) const { return {scale + i, offset + i, 0, x_ahead}; }
  KVANT_INLINE void AskForCodes(const uint8_t* at, size_t bytes) const { Ask(at, codes_ahead, bytes); }
  KVANT_INLINE void AskForX(const void* at, size_t bytes) const { Ask(at, x_ahead, bytes); }

 private:
  static KVANT_INLINE void Ask(const void* at, size_t ahead, size_t bytes) {
    if (ahead != 0) PrefetchLines<PrefetchFor::kReadFromL2>(static_cast<const char*>(at) + ahead, bytes);
  }
};

// Two vectors, 2 N elements, from element i on.
template <Format kFormat, bool kNaN, class Out, class Parameters>
KVANT_INLINE void DecodeBlock(const uint8_t* codes, const Parameters& p, size_t i, Out* x, bool stream) {
  F a, b;
  LoadNumbers<kFormat>(codes + i, a, b);
  const size_t j = i + VectorLanes::N();
  a = Reconstruct<VectorLanes>(a, p.Scale(i), p.Offset(i));
  b = Reconstruct<VectorLanes>(b, p.Scale(j), p.Offset(j));
  if constexpr (kNaN) {
    a = Canonical(a);
    b = Canonical(b);
  }
  StoreNumbers(a, b, x + i, stream);
}

// Calls block(i, stream) for blocks of `size` elements that cover [0, n), n >= size. What is streamed begins and ends
// where cache lines of x do and is not written twice: a streaming store to a line that is in the cache waits for its
// eviction, which was measured at 0.5 microseconds.
template <class Out, class Block>
KVANT_INLINE void CoverRow(size_t n, size_t size, const Out* x, bool stream, const Block& block) {
  constexpr size_t kLine = 64 / sizeof(Out);
  size_t i = 0;
  if (HWY_UNLIKELY(stream) && n >= 4 * HWY_MAX(size, kLine) && reinterpret_cast<uintptr_t>(x) % sizeof(Out) == 0) {
    const size_t into_line = reinterpret_cast<uintptr_t>(x) % 64 / sizeof(Out);
    const size_t start = into_line == 0 ? 0 : size + (2 * kLine - into_line - size % kLine) % kLine;
    for (; i < start; i += size) block(HWY_MIN(i, start - size), false);
    const size_t step = HWY_MAX(size, kLine);
    for (i = start; i + step + size <= n || i + step == n; i += step) {
      for (size_t j = 0; j < step; j += size) block(i + j, true);
    }
  }
  for (; i + size <= n; i += size) block(i, false);
  if (i < n) block(n - size, false);
}

// Rows shorter than a block go through copies with room for one.
template <Format kFormat, class Out, class Parameters>
HWY_NOINLINE void DecodeShort(const uint8_t* codes, size_t n, const Parameters& p, Out* x) {
  constexpr size_t kRoom = 2 * hn::MaxLanes(VectorLanes::DF());
  uint8_t codes_copy[kRoom] = {};
  Out x_copy[kRoom];
  std::memcpy(codes_copy, codes, n);
  if constexpr (std::is_same_v<Parameters, ColumnParameters>) {
    float scale[kRoom] = {}, offset[kRoom] = {};
    std::memcpy(scale, p.scale, n * sizeof(float));
    std::memcpy(offset, p.offset, n * sizeof(float));
    DecodeBlock<kFormat, true>(codes_copy, ColumnParameters{scale, offset}, 0, x_copy, false);
  } else {
    DecodeBlock<kFormat, true>(codes_copy, p, 0, x_copy, false);
  }
  std::memcpy(static_cast<void*>(x), x_copy, n * sizeof(Out));
}

// kNaN: a result may be one.
template <Format kFormat, bool kNaN, class Out, class Parameters>
KVANT_INLINE void DecodeRow(const uint8_t* codes, size_t n, const Parameters& p, Out* x, bool stream) {
  if constexpr (kFormat == Format::kInt4) {
    constexpr size_t kPiece = 1024;  // a multiple of every block
    alignas(64) int8_t piece[kPiece];
    for (size_t i = 0; i < n; i += kPiece) {
      const size_t m = HWY_MIN(kPiece, n - i);
      p.AskForCodes(codes + i / 2, m / 2);
      UnpackNibbles(codes + i / 2, m, piece);
      DecodeRow<Format::kInt8, kNaN>(reinterpret_cast<const uint8_t*>(piece), m, p.From(i), x + i, stream);
    }
  } else {
    const size_t size = 2 * VectorLanes::N();
    if (HWY_UNLIKELY(n < size)) return DecodeShort<kFormat>(codes, n, p, x);
    CoverRow(
        n, size, x, stream, [&](size_t i, bool s) HWY_ATTR __attribute__((always_inline)) {
          p.AskForCodes(codes + i, size);
          p.AskForX(x + i, size * sizeof(Out));
          DecodeBlock<kFormat, kNaN>(codes, p, i, x, s);
        });
  }
}

KVANT_INLINE float LoadScalar(const char* p) {
  float v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}

template <Format kFormat, class Out>
void DecodeRows(const DecodeArgs& a) {
  const size_t n = static_cast<size_t>(a.n);
  for (int64_t r = 0; r < a.rows; ++r) {
    const float scale = LoadScalar(a.scale + r * a.scale_stride);
    const float offset =
        std::bit_cast<float>(std::bit_cast<uint32_t>(LoadScalar(a.offset + r * a.offset_stride)) ^ a.offset_sign);
    const uint8_t* codes = a.codes + r * a.codes_stride;
    Out* x = reinterpret_cast<Out*>(a.x + r * a.x_stride);
    const RowParameters p{scale, offset};
    if constexpr (kFormat == Format::kInt4 && kHasNibbleTable<Out>) {
      const NibbleTable<Out> table(p.Scale(0), p.Offset(0));
      if (n >= kNibbleBlock) {
        // Blocks begin with whole bytes of codes, so also where they follow the cache lines of x.
        const bool stream = a.stream && reinterpret_cast<uintptr_t>(x) % (2 * sizeof(Out)) == 0;
        CoverRow(
            n, kNibbleBlock, x, stream, [&](size_t i, bool s) HWY_ATTR __attribute__((always_inline)) {
              table.Store(codes + i / 2, x + i, s);
            });
        continue;
      }
    }
    // Finite parameters and an integer code make no NaN: the difference is finite, and so is one factor of inf * 0.
    if (IsInteger(kFormat) && std::isfinite(scale) && std::isfinite(offset)) {
      DecodeRow<kFormat, false>(codes, n, p, x, a.stream);
    } else {
      DecodeRow<kFormat, true>(codes, n, p, x, a.stream);
    }
  }
}

template <Format kFormat, class Out>
void DecodeColumns(const DecodeArgs& a) {
  // 4096x4096 from DRAM: 1.15 to 1.3 times as fast, while rows with one scale are as fast without.
  const size_t ahead = a.far ? size_t{4096} : 0;  // elements
  const ColumnParameters p{reinterpret_cast<const float*>(a.scale), reinterpret_cast<const float*>(a.offset),
                           kFormat == Format::kInt4 ? ahead / 2 : ahead, a.stream ? 0 : ahead * sizeof(Out)};
  for (int64_t r = 0; r < a.rows; ++r) {
    DecodeRow<kFormat, true>(a.codes + r * a.codes_stride, static_cast<size_t>(a.n), p,
                             reinterpret_cast<Out*>(a.x + r * a.x_stride), a.stream);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
