// Rows to codes: load, multiply by smooth scales, divide, add the offset, cast, pack, store.
#if defined(KVANT_ROWWISE_ENCODE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_ROWWISE_ENCODE_INL_H_
#undef KVANT_ROWWISE_ENCODE_INL_H_
#else
#define KVANT_ROWWISE_ENCODE_INL_H_
#endif

#include <cstring>

#include "hwy/cache_control.h"
#include "kvant/formats/store-inl.h"
#include "kvant/numerics/quad_lanes-inl.h"
#include "kvant/rowwise/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

#include "kvant/formats/codecs.inc"
#if !HWY_HAVE_SCALABLE && HWY_TARGET != HWY_SCALAR
#include "kvant/formats/hifloat8_quad.inc"
#endif
#include "kvant/numerics/affine.inc"
#include "kvant/numerics/quotient.inc"
#include "kvant/rowwise/encode.inc"

using F = VectorLanes::F;

// Elements to codes with the parameters of a row; L decides how many at a time. Holds scalars only: vectors of SVE
// cannot be members, and the broadcasts leave the loop anyway.
template <class In, Format kFormat, bool kAsymmetric, bool kSmooth, Path kPath>
struct RowEncoder {
  static constexpr Format kTo = kFormat;
  static constexpr float kLift = kPath == Path::kFastTiny ? 0x1p64f : 1.0f;
  static constexpr bool kTwice = kSmooth || std::is_same_v<In, float>;

  float scale, inverse, offset;

  explicit KVANT_INLINE RowEncoder(const RowParams& p)
      : scale(p.scale * kLift), inverse(kPath == Path::kFastTiny ? 1.0f / scale : p.inverse), offset(p.offset) {}

  template <class L>
  KVANT_INLINE typename L::I Encode(const In* x_at, const float* smooth_at) const {
    using Codec = CodecOf<L, kFormat>;
    using V = typename L::F;
    V x = L::Load(x_at);
    if constexpr (kSmooth) x = L::Mul(x, L::Load(smooth_at));
    if constexpr (kPath == Path::kExact) {
      V v = L::Div(x, L::Set(scale));
      if constexpr (kAsymmetric) v = L::Add(v, L::Set(offset));
      return Codec::Encode(v);
    } else {
      return EncodeFast<kFormat, kAsymmetric, kTwice, L>(x, kLift, L::Set(scale), L::Set(inverse), L::Set(offset));
    }
  }
};

// Elements that fill one store: 4 vectors, 8 for INT4.
template <Format kFormat>
KVANT_INLINE size_t BlockElements() {
  return (kFormat == Format::kInt4 ? 8 : 4) * VectorLanes::N();
}

// Bytes of the codes of n elements.
template <Format kFormat>
KVANT_INLINE size_t CodeBytes(size_t n) {
  return kFormat == Format::kInt4 ? n / 2 : n;
}

template <bool kSmooth, class In, class Encoder>
KVANT_INLINE Codes EncodeVector(const Encoder& encode, const In* x, const float* smooth, size_t vectors) {
  const size_t i = vectors * VectorLanes::N();
  return encode.template Encode<VectorLanes>(x + i, kSmooth ? smooth + i : nullptr);
}

// Elements that fill one store.
template <bool kSmooth, class In, class Encoder>
KVANT_INLINE void EncodeBlock(const Encoder& e, const In* x, const float* smooth, uint8_t* y, bool stream) {
  constexpr Format kFormat = Encoder::kTo;
  constexpr bool kSigned = CodecOf<VectorLanes, kFormat>::kSigned;
#if HWY_HAVE_SCALABLE
  const Codes a = EncodeVector<kSmooth>(e, x, smooth, 0), b = EncodeVector<kSmooth>(e, x, smooth, 1);
  const Codes c = EncodeVector<kSmooth>(e, x, smooth, 2), d = EncodeVector<kSmooth>(e, x, smooth, 3);
  if constexpr (kFormat == Format::kInt4) {
    const Codes f = EncodeVector<kSmooth>(e, x, smooth, 4), g = EncodeVector<kSmooth>(e, x, smooth, 5);
    const Codes h = EncodeVector<kSmooth>(e, x, smooth, 6), i = EncodeVector<kSmooth>(e, x, smooth, 7);
    Store8Nibbles(a, b, c, d, f, g, h, i, y, stream);
  } else {
    Store4<kSigned>(a, b, c, d, y, stream);
  }
#else
  const QuadLanes::I q = e.template Encode<QuadLanes>(x, smooth);
  if constexpr (kFormat == Format::kInt4) {
    const size_t n = 4 * VectorLanes::N();
    const QuadLanes::I r = e.template Encode<QuadLanes>(x + n, smooth + (kSmooth ? n : 0));
    Store8Nibbles(q.a, q.b, q.c, q.d, r.a, r.b, r.c, r.d, y, stream);
  } else {
    Store4<kSigned>(q.a, q.b, q.c, q.d, y, stream);
  }
#endif
}

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

// Rows shorter than a block go through a copy with room for one.
template <Format kFormat, bool kSmooth, class In, class Encoder>
HWY_NOINLINE void EncodeShort(Encoder encode, const In* x, const float* smooth, size_t n, uint8_t* y) {
  HWY_ALIGN In x_copy[kMaxBlock];
  HWY_ALIGN float smooth_copy[kMaxBlock];
  HWY_ALIGN uint8_t codes[kMaxBlock];
  const size_t block = BlockElements<kFormat>();
  const VectorLanes::DF df;
  for (size_t i = 0; i < block * sizeof(In) / sizeof(float); i += VectorLanes::N()) {
    hn::StoreU(hn::Zero(df), df, reinterpret_cast<float*>(x_copy) + i);
  }
  CopyFew(x_copy, x, n * sizeof(In));
  if constexpr (kSmooth) {
    for (size_t i = 0; i < block; i += VectorLanes::N()) hn::StoreU(hn::Zero(df), df, smooth_copy + i);
    CopyFew(smooth_copy, smooth, n * sizeof(float));
  }
  EncodeBlock<kSmooth>(encode, x_copy, smooth_copy, codes, false);
  CopyFew(y, codes, CodeBytes<kFormat>(n));
}

// Asks for `bytes` of what will be read next, if anything.
KVANT_INLINE void Fetch(const void* next, size_t from, size_t bytes) {
  if (next == nullptr) return;
  for (size_t b = 0; b < bytes; b += 64) hwy::Prefetch(static_cast<const char*>(next) + from + b);
}

// Whole blocks from element i on; returns where it stopped. Asks for the last three quarters of `prefetch`.
template <Format kFormat, bool kSmooth, class In, class Encoder>
KVANT_INLINE size_t EncodeBlocks(Encoder encode, const In* x, const float* smooth, size_t i, size_t n, uint8_t* y,
                                 const void* prefetch, bool stream) {
  const size_t block = BlockElements<kFormat>();
  const auto one = [&]() HWY_ATTR __attribute__((always_inline)) {
    EncodeBlock<kSmooth>(encode, x + i, smooth + (kSmooth ? i : 0), y + CodeBytes<kFormat>(i), stream);
    i += block;
  };
  if (prefetch != nullptr) {
    // In steps whose three quarters are whole cache lines.
    const size_t blocks = HWY_MAX(size_t{1}, 256 / (block * sizeof(In)));
    const size_t quarter = n * sizeof(In) / 4, step = blocks * block * sizeof(In) * 3 / 4;
    const char* next = static_cast<const char*>(prefetch) + quarter;
    while (i + blocks * block <= n) {
      Fetch(next, 0, step);
      next += step;
      for (size_t k = 0; k < blocks; ++k) one();
    }
  }
  while (i + block <= n) one();
  return i;
}

// Any number of elements: whole blocks, the last one overlapping the one before it.
template <Format kFormat, bool kSmooth, class In, class Encoder>
KVANT_INLINE void EncodeRow(Encoder encode, const In* x, const float* smooth, size_t n, uint8_t* y,
                            const void* prefetch, bool stream) {
  const size_t block = BlockElements<kFormat>();
  if (HWY_UNLIKELY(n < block)) {
    if (n != 0) EncodeShort<kFormat, kSmooth>(encode, x, smooth, n, y);
    return;
  }
  size_t i = 0;
  if (stream) {
    const size_t bytes = CodeBytes<kFormat>(block);
    const size_t ahead = (bytes - reinterpret_cast<uintptr_t>(y) % bytes) % bytes;
    if (ahead != 0) {  // up to where streaming stores may begin
      EncodeBlock<kSmooth>(encode, x, smooth, y, false);
      i = ahead * block / bytes;
    }
    i = EncodeBlocks<kFormat, kSmooth>(encode, x, smooth, i, n, y, prefetch, true);
  } else {
    i = EncodeBlocks<kFormat, kSmooth>(encode, x, smooth, i, n, y, prefetch, false);
  }
  if (i < n) {
    const size_t last = n - block;
    EncodeBlock<kSmooth>(encode, x + last, smooth + (kSmooth ? last : 0), y + CodeBytes<kFormat>(last), false);
  }
}

template <class In, Format kFormat, bool kAsymmetric, bool kSmooth, Path kPath>
void Encode(const EncodeArgs& a, const RowParams& p) {
  const RowEncoder<In, kFormat, kAsymmetric, kSmooth, kPath> encode(p);
  EncodeRow<kFormat, kSmooth>(encode, static_cast<const In*>(a.x), a.smooth, static_cast<size_t>(a.n), a.y, a.prefetch,
                              (a.flags & kStreamStores) != 0);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
