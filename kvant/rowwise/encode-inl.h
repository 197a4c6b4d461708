// Rows to codes: load, multiply by smooth scales, divide, add the offset, cast, pack, store.
#if defined(KVANT_ROWWISE_ENCODE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_ROWWISE_ENCODE_INL_H_
#undef KVANT_ROWWISE_ENCODE_INL_H_
#else
#define KVANT_ROWWISE_ENCODE_INL_H_
#endif

#include <cmath>
#include <cstring>

#include "hwy/cache_control.h"
#include "kvant/formats/store-inl.h"
#include "kvant/numerics/quad_lanes-inl.h"
#include "kvant/rowwise/regular.h"

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

KVANT_INLINE bool AnyBelow(VectorLanes::I v, int32_t bound) {
  const VectorLanes::DI d;
  return !hn::AllFalse(d, hn::Lt(v, hn::Set(d, bound)));
}
#if !HWY_HAVE_SCALABLE
KVANT_INLINE bool AnyBelow(QuadLanes::I v, int32_t bound) {
  return AnyBelow(hn::Min(hn::Min(v.a, v.b), hn::Min(v.c, v.d)), bound);
}
#endif

// Elements to codes with the parameters of a row; L decides how many at a time. Holds scalars only: vectors of SVE
// cannot be members, and the broadcasts leave the loop anyway.
template <class In, Format kFormat, bool kAsymmetric, bool kSmooth, Path kPath>
struct RowEncoder {
  static_assert(kPath != Path::kExact || kAsymmetric);  // see Encode
  static constexpr Format kTo = kFormat;
  static constexpr bool kTwice = kSmooth || std::is_same_v<In, float>;
  // A quotient of 24 bits takes two corrections; codes without it are fewer operations.
  static constexpr bool kFixed =
      kPath == Path::kFast && kTwice && (kFormat == Format::kInt8 || kFormat == Format::kInt4);

  // Whether it encodes rows with such parameters; kFastTiny, by quotients, encodes the others.
  static KVANT_INLINE bool Takes(const RowParams& p) {
    return !kFixed || !kAsymmetric || std::fabs(p.offset) <= kFixedOffsetUpTo;
  }

  float lift, scale, inverse, offset;

  explicit KVANT_INLINE RowEncoder(const RowParams& p)
      : lift(kPath == Path::kFastTiny && p.scale < PathRule::kTinyBelow ? 0x1p64f : 1.0f),
        scale(p.scale * lift),
        inverse(kPath == Path::kFastTiny ? 1.0f / scale : p.inverse),
        offset(p.offset) {}

  template <class L>
  KVANT_INLINE typename L::I Encode(const In* x_at, const float* smooth_at) const {
    const typename L::F x = LoadScaled<L>(x_at, smooth_at);
    if constexpr (kPath == Path::kExact) {
      return CodecOf<L, kFormat>::Encode(L::Add(L::Div(x, L::Set(scale)), L::Set(offset)));
    } else if constexpr (kFixed) {
      const typename L::I fixed = FixedCodes<L>(x, L::Set(inverse), L::Set(FixedStart<kAsymmetric>(offset)));
      const typename L::I fraction = L::And(fixed, L::SetI((1 << kFractionBits) - 1));
      if (HWY_UNLIKELY(AnyBelow(fraction, kNear<kAsymmetric>))) return ByQuotient<L>(x_at, smooth_at);
      return L::template Sar<kFractionBits>(fixed);
    } else {
      return Quotient<L>(x);
    }
  }

 private:
  template <class L>
  static KVANT_INLINE typename L::F LoadScaled(const In* x_at, const float* smooth_at) {
    if constexpr (kSmooth) return L::Mul(L::Load(x_at), L::Load(smooth_at));
    return L::Load(x_at);
  }
  template <class L>
  KVANT_INLINE typename L::I Quotient(typename L::F x) const {
    return EncodeFast<kFormat, kAsymmetric, kTwice, L>(x, kPath == Path::kFastTiny ? lift : 1.0f, L::Set(scale),
                                                       L::Set(inverse), L::Set(offset));
  }
  template <class L>
  HWY_NOINLINE typename L::I ByQuotient(const In* x_at, const float* smooth_at) const {
    return Quotient<L>(LoadScaled<L>(x_at, smooth_at));
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

// At most a block, not streamed; what is shorter goes through a copy with room for one. Out of line, as every copy of
// an encoder is time that the library takes to build.
template <Format kFormat, bool kSmooth, class In, class Encoder>
HWY_NOINLINE void EncodeOne(Encoder encode, const In* x, const float* smooth, size_t n, uint8_t* y) {
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
  EncodeBlock<kSmooth>(encode, x, smooth, to, false);
  if (n < block) CopyFew(y, codes, CodeBytes<kFormat>(n));
}

// Asks for `bytes` of what will be read next, if anything.
KVANT_INLINE void Fetch(const void* next, size_t from, size_t bytes) {
  if (next == nullptr) return;
  for (size_t b = 0; b < bytes; b += 64) hwy::Prefetch(static_cast<const char*>(next) + from + b);
}

// Any number of elements: whole blocks, the last one overlapping the one before it. `prefetch` and `flags`: those of
// EncodeArgs.
template <Format kFormat, bool kSmooth, class In, class Encoder>
KVANT_INLINE void EncodeRow(Encoder encode, const In* x, const float* smooth, size_t n, uint8_t* y,
                            const void* prefetch, uint32_t flags) {
  const size_t block = BlockElements<kFormat>();
  const bool stream = (flags & kStreamStores) != 0;
  if (HWY_UNLIKELY(n < block)) {
    if (n != 0) EncodeOne<kFormat, kSmooth>(encode, x, smooth, n, y);
    return;
  }
  size_t i = 0;
  if (stream) {
    const size_t bytes = CodeBytes<kFormat>(block);
    const size_t ahead = (bytes - reinterpret_cast<uintptr_t>(y) % bytes) % bytes;
    if (ahead != 0) {  // up to where streaming stores may begin
      EncodeOne<kFormat, kSmooth>(encode, x, smooth, block, y);
      i = ahead * block / bytes;
    }
  }
  // In steps whose quarters are whole cache lines.
  const size_t blocks_in_step = HWY_MAX(size_t{1}, 256 / (block * sizeof(In)));
  const size_t quarters = (flags & kFetchQuarter) != 0 ? 1 : 3,
               step = blocks_in_step * block * sizeof(In) / 4 * quarters;
  const char* next = static_cast<const char*>(prefetch);
  if (next != nullptr) next += n * sizeof(In) / 4 * (4 - quarters);
  for (size_t blocks = (n - i) / block; blocks != 0;) {
    if (next != nullptr) {
      Fetch(next, 0, step);
      next += step;
    }
    size_t in_step = HWY_MIN(blocks, blocks_in_step);
    blocks -= in_step;
    do {
      EncodeBlock<kSmooth>(encode, x + i, smooth + (kSmooth ? i : 0), y + CodeBytes<kFormat>(i), stream);
      i += block;
    } while (--in_step != 0);
  }
  if (i < n) {
    const size_t last = n - block;
    EncodeOne<kFormat, kSmooth>(encode, x + last, smooth + (kSmooth ? last : 0), block, y + CodeBytes<kFormat>(last));
  }
}

template <class In, Format kFormat, bool kAsymmetric, bool kSmooth, Path kPath>
void Encode(const EncodeArgs& a, const RowParams& p) {
  if constexpr (kPath == Path::kExact && !kAsymmetric) {
    // Adding -0 changes nothing, so one encoder is enough.
    return Encode<In, kFormat, true, kSmooth, kPath>(a, {.scale = p.scale, .offset = -0.0f, .inverse = p.inverse});
  } else {
    using Encoder = RowEncoder<In, kFormat, kAsymmetric, kSmooth, kPath>;
    if (HWY_UNLIKELY(!Encoder::Takes(p))) return Encode<In, kFormat, kAsymmetric, kSmooth, Path::kFastTiny>(a, p);
    const Encoder encode(p);
    EncodeRow<kFormat, kSmooth>(encode, static_cast<const In*>(a.x), a.smooth, static_cast<size_t>(a.n), a.y,
                                a.prefetch, a.flags);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
