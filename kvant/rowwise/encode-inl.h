// Rows to codes, block by block.
#if defined(KVANT_ROWWISE_ENCODE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_ROWWISE_ENCODE_INL_H_
#undef KVANT_ROWWISE_ENCODE_INL_H_
#else
#define KVANT_ROWWISE_ENCODE_INL_H_
#endif

#include <cstring>

#include "kvant/core/prefetch.h"
#include "kvant/rowwise/block-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

inline constexpr size_t kMaxBlock = 8 * 64;  // INT4 with 2048-bit vectors

// memcpy of a few bytes without a call, in steps that later loads can be served from.
KVANT_INLINE void CopyFew(void* to, const void* from, size_t bytes) {
  constexpr size_t kStep = 32;
  if (bytes < kStep) {
    std::memcpy(to, from, bytes);
    return;
  }
  for (size_t i = 0; i < bytes; i += kStep) {
    const size_t at = i + kStep <= bytes ? i : bytes - kStep;
    std::memcpy(static_cast<char*>(to) + at, static_cast<const char*>(from) + at, kStep);
  }
}

// At most a block, not streamed; what is shorter goes through a copy with room for one. Out of line, as every copy of
// an encoder is time that the library takes to build.
template <Format kFormat, bool kSmooth, class In, class Encoder>
HWY_NOINLINE void EncodeOne(const Encoder& encode, const In* x, const float* smooth, size_t n, uint8_t* y) {
  HWY_ALIGN In x_copy[kMaxBlock];
  HWY_ALIGN float smooth_copy[kMaxBlock];
  HWY_ALIGN uint8_t codes[kMaxBlock];
  const size_t block = BlockElements<kFormat>();
  uint8_t* to = y;
  if (n < block) {
    const VectorLanes::DF df;
    for (size_t i = 0; i < block * sizeof(In) / sizeof(float); i += VectorLanes::N()) {
      hn::StoreU(hn::Zero(df), df, reinterpret_cast<float*>(x_copy) + i);
    }
    CopyFew(x_copy, x, n * sizeof(In));
    x = x_copy;
    if constexpr (kSmooth) {
      for (size_t i = 0; i < block; i += VectorLanes::N()) hn::StoreU(hn::Zero(df), df, smooth_copy + i);
      CopyFew(smooth_copy, smooth, n * sizeof(float));
      smooth = smooth_copy;
    }
    to = codes;
  }
  EncodeQuotients<kSmooth>(encode, x, smooth, to, false, n <= block / 2);
  if (n < block) CopyFew(y, codes, CodeBytes<kFormat>(n));
}

// Asks for `bytes` of what will be read soon, if anything.
KVANT_INLINE void Fetch(const void* next, size_t from, size_t bytes, uint32_t flags) {
  if (next == nullptr) return;
  const char* at = static_cast<const char*>(next) + from;
  if ((flags & kFetchToL2) != 0) {
    PrefetchLines<PrefetchFor::kReadFromL2>(at, bytes);
  } else {
    PrefetchLines(at, bytes);
  }
}

// What encodes what is not a block among others: fixed-point encoders begin slowly.
template <class Encoder>
KVANT_INLINE auto ByQuotients(const Encoder& encode) {
  if constexpr (Encoder::kFixed) {
    return encode.ByQuotients();
  } else {
    return encode;
  }
}

// A block or more: whole blocks, the last one overlapping the one before it. `prefetch` and `flags`: those of
// EncodeArgs.
template <Format kFormat, bool kSmooth, class In, class Encoder>
KVANT_INLINE void EncodeRow(Encoder encode, const In* x, const float* smooth, size_t n, uint8_t* y,
                            const void* prefetch, uint32_t flags, const void* prefetch_y = nullptr) {
  const size_t block = BlockElements<kFormat>();
  size_t i = 0;
  if ((flags & kStreamStores) != 0) {
    const size_t bytes = CodeBytes<kFormat>(block);
    const size_t ahead = (bytes - reinterpret_cast<uintptr_t>(y) % bytes) % bytes;
    if (ahead != 0) {  // up to where streaming stores may begin
      EncodeOne<kFormat, kSmooth>(ByQuotients(encode), x, smooth, block, y);
      i = ahead * block / bytes;
    }
  }
  const BlockConstants<Encoder> constants(encode);
  // In steps whose quarters are whole cache lines, long enough for what they ask not to show in L2.
  const size_t blocks_in_step = HWY_MAX(size_t{1}, 512 / (block * sizeof(In)));
  const size_t quarters = (flags & kFetchQuarter) != 0 ? 1
                          : (flags & kFetchToL2) != 0  ? 4
                                                       : 3,
               step = blocks_in_step * block * sizeof(In) / 4 * quarters;
  const char* next = static_cast<const char*>(prefetch);
  const char* next_y = static_cast<const char*>(prefetch_y);
  const size_t step_y = CodeBytes<kFormat>(blocks_in_step * block);
  if ((flags & kFetchToL2) != 0) {
    if (next != nullptr) PrefetchPages(next, n * sizeof(In));
    if (next_y != nullptr) PrefetchPages(next_y, CodeBytes<kFormat>(n));
  }
  if (next != nullptr) next += n * sizeof(In) / 4 * (4 - quarters);
  // Ties are too frequent to be mispredicted one by one: with scales from the row itself a tenth of the blocks of
  // bfloat16 has one.
  constexpr size_t kChunk = 64;
  for (size_t blocks = (n - i) / block; blocks != 0;) {
    const size_t from = i, chunk = HWY_MIN(blocks, kChunk);
    blocks -= chunk;
    uint64_t again = 0;
    for (size_t b = 0; b < chunk;) {
      if (next != nullptr) {
        Fetch(next, 0, step, flags);
        next += step;
      }
      if (next_y != nullptr) {
        Fetch(next_y, 0, step_y, flags);
        next_y += step_y;
      }
      const size_t until = HWY_MIN(chunk, b + blocks_in_step);
      do {
        again |= uint64_t{EncodeBlock<kSmooth>(encode, constants, x + i, smooth + (kSmooth ? i : 0),
                                               y + CodeBytes<kFormat>(i), flags)}
                 << b;
        i += block;
      } while (++b != until);
    }
    if constexpr (Encoder::kFixed) {
      if (again != 0) {
        EncodeAgain<kSmooth>(ByQuotients(encode), x + from, smooth + (kSmooth ? from : 0), y + CodeBytes<kFormat>(from),
                             again, (flags & kStreamStores) != 0);
      }
    }
  }
  if (i < n) {
    const size_t last = n - block;
    EncodeOne<kFormat, kSmooth>(ByQuotients(encode), x + last, smooth + (kSmooth ? last : 0), block,
                                y + CodeBytes<kFormat>(last));
  }
}

// Out of line, so that short rows do not save the registers that long ones need.
template <Format kFormat, bool kSmooth, class In, class Encoder>
HWY_NOINLINE void EncodeLong(const Encoder& encode, const EncodeArgs& a) {
  EncodeRow<kFormat, kSmooth>(encode, static_cast<const In*>(a.x), a.smooth, static_cast<size_t>(a.n), a.y, a.prefetch,
                              a.flags, a.prefetch_y);
}

template <class In, Format kFormat, bool kAsymmetric, bool kSmooth, Path kPath>
void Encode(const EncodeArgs& a, const RowParams& p) {
  if constexpr (kPath == Path::kExact && !kAsymmetric) {
    // Adding -0 changes nothing, so one encoder is enough.
    return Encode<In, kFormat, true, kSmooth, kPath>(a, {.scale = p.scale, .offset = -0.0f, .inverse = p.inverse});
  } else {
    using Encoder = RowEncoder<In, kFormat, kAsymmetric, kSmooth, kPath>;
    const Encoder encode(p);
    const size_t n = static_cast<size_t>(a.n);
    if (HWY_UNLIKELY(n < BlockElements<kFormat>())) {
      if (n != 0) EncodeOne<kFormat, kSmooth>(ByQuotients(encode), static_cast<const In*>(a.x), a.smooth, n, a.y);
      return;
    }
    if constexpr (Encoder::kFixed) {
      if (!encode.Takes()) return Encode<In, kFormat, kAsymmetric, kSmooth, Path::kFastTiny>(a, p);
    }
    EncodeLong<kFormat, kSmooth, In>(encode, a);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
