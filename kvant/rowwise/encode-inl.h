// Rows to codes: load, multiply by smooth scales, divide, add the offset, cast, pack, store.
#if defined(KVANT_ROWWISE_ENCODE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_ROWWISE_ENCODE_INL_H_
#undef KVANT_ROWWISE_ENCODE_INL_H_
#else
#define KVANT_ROWWISE_ENCODE_INL_H_
#endif

#include <bit>
#include <cstring>

#include "hwy/cache_control.h"
#include "kvant/formats/store-inl.h"
#include "kvant/formats/store_fixed-inl.h"
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

// Elements to codes with the parameters of a row; L decides how many at a time. Holds scalars only: vectors of SVE
// cannot be members, and the broadcasts leave the loop anyway.
template <class In, Format kFormat, bool kAsymmetric, bool kSmooth, Path kPath>
struct RowEncoder {
  static_assert(kPath != Path::kExact || kAsymmetric);  // see Encode
  static constexpr Format kTo = kFormat;
  static constexpr bool kTwice = kSmooth || std::is_same_v<In, float>;
  static constexpr bool kFixed = kPath == Path::kFast && (kFormat == Format::kInt8 || kFormat == Format::kInt4);
  // Fixed only: what encodes the blocks and rows that this one leaves alone, by quotients.
  using Other = RowEncoder<In, kFormat, kAsymmetric, kSmooth, Path::kFastTiny>;

  static constexpr int kBits = kFormat == Format::kInt4 ? 4 : 8;
  static constexpr bool kHasOffset = kAsymmetric;
  static constexpr int32_t kNearTie = kNear<kAsymmetric>;
  static constexpr ElementOrder kOrder =
      std::is_same_v<In, BFloat16> && !kSmooth ? ElementOrder::kPairs : ElementOrder::kVectors;

  float lift, scale, inverse, offset;

  explicit KVANT_INLINE RowEncoder(const RowParams& p)
      : lift(kPath == Path::kFastTiny && p.scale < PathRule::kTinyBelow ? 0x1p64f : 1.0f),
        scale(p.scale * lift),
        inverse(lift == 1.0f ? p.inverse : p.inverse * 0x1p-64f),
        offset(p.offset) {}

  // Whether it encodes with this offset; if not, Other does.
  KVANT_INLINE bool Takes() const {
    using Fixed = FixedPoint<kBits>;
    return !kFixed || !kAsymmetric || (offset >= Fixed::kOffsetFrom && offset <= Fixed::kOffsetUpTo);
  }

  KVANT_INLINE Other ByQuotients() const { return Other({.scale = scale, .offset = offset, .inverse = inverse}); }

  template <class L>
  KVANT_INLINE typename L::I Encode(const In* x_at, const float* smooth_at) const {
    const typename L::F x = LoadScaled<L>(x_at, smooth_at);
    if constexpr (kPath == Path::kExact) {
      return CodecOf<L, kFormat>::Encode(L::Add(L::Div(x, L::Set(scale)), L::Set(offset)));
    } else {
      return EncodeFast<kFormat, kAsymmetric, kTwice, L>(x, kPath == Path::kFastTiny ? lift : 1.0f, L::Set(scale),
                                                         L::Set(inverse), L::Set(offset));
    }
  }

  KVANT_INLINE float FixedStart() const { return kvant::HWY_NAMESPACE::FixedStart<kBits, kAsymmetric>(offset); }

  template <class L>
  static KVANT_INLINE typename L::F LoadScaled(const In* x_at, const float* smooth_at) {
    if constexpr (kSmooth) return L::Mul(L::Load(x_at), L::Load(smooth_at));
    return L::Load(x_at);
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

// Elements that fill one store, by quotients.
template <bool kSmooth, class In, class Encoder>
KVANT_INLINE void EncodeQuotients(const Encoder& e, const In* x, const float* smooth, uint8_t* y, bool stream) {
  constexpr Format kFormat = Encoder::kTo;
  constexpr bool kSigned = CodecOf<VectorLanes, kFormat>::kSigned;
#if HWY_HAVE_SCALABLE || HWY_TARGET == HWY_SCALAR
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

// What blocks have in common.
template <class Encoder>
struct NoConstants {
  explicit KVANT_INLINE NoConstants(const Encoder&) {}
};
#if HWY_HAVE_SCALABLE || HWY_TARGET == HWY_SCALAR
template <class Encoder>
using BlockConstants = NoConstants<Encoder>;
#else
template <class Encoder>
struct EncoderConstants : FixedConstants<Encoder::kOrder> {
  static constexpr int kBits = Encoder::kBits;
  using L = VectorLanes;
  L::F inverse, start;
  L::I upper = InRegister(L::SetI(static_cast<int32_t>(0xFFFF0000)));

  explicit KVANT_INLINE EncoderConstants(const Encoder& e)
      : FixedConstants<Encoder::kOrder>(Encoder::kNearTie << (16 - FixedPoint<kBits>::kFractionBits),
                                        kBits == 8 ? 0x80 : 0),
        inverse(InRegister(L::Set(e.inverse))),
        start(InRegister(L::Set(e.FixedStart()))) {}

  // Those of another row.
  KVANT_INLINE void Set(const Encoder& e) {
    inverse = InRegister(L::Set(e.inverse));
    start = InRegister(L::Set(e.FixedStart()));
  }

  template <class In>
  KVANT_INLINE QuadLanes::I Encode(const In* x, const float* smooth) const {
    if constexpr (Encoder::kOrder == ElementOrder::kPairs) {
      return Encode(QuadLanes::LoadPairs(x, upper));
    } else {
      return Encode(Encoder::template LoadScaled<QuadLanes>(x, smooth));
    }
  }

 private:
  KVANT_INLINE QuadLanes::I Encode(QuadLanes::F x) const {
    return FixedCodes<QuadLanes>(x, {inverse, inverse, inverse, inverse}, {start, start, start, start});
  }
};
template <class Encoder>
using BlockConstants = std::conditional_t<Encoder::kFixed, EncoderConstants<Encoder>, NoConstants<Encoder>>;
#endif

// The same as fixed-point numbers. Returns whether a quotient must decide; then what y holds is not meant.
template <bool kSmooth, class In, class Encoder>
KVANT_INLINE bool EncodeFixed(const Encoder& e, const BlockConstants<Encoder>& constants, const In* x,
                              const float* smooth, uint8_t* y, uint32_t flags) {
  constexpr int kBits = Encoder::kBits;
#if HWY_HAVE_SCALABLE || HWY_TARGET == HWY_SCALAR
  (void)flags;
  (void)constants;
  using L = VectorLanes;
  Codes least = L::SetI(INT32_MAX);
  const auto at = [&](size_t vectors) HWY_ATTR {
    const size_t i = vectors * L::N();
    const Codes fixed = FixedCodes<L>(Encoder::template LoadScaled<L>(x + i, kSmooth ? smooth + i : nullptr),
                                      L::Set(e.inverse), L::Set(e.FixedStart()));
    least = L::MinI(least, FixedFraction<kBits, L>(fixed));
    return FixedCode<kBits, L>(fixed);
  };
  const Codes a = at(0), b = at(1), c = at(2), d = at(3);
  if constexpr (kBits == 4) {
    const Codes f = at(4), g = at(5), h = at(6), i = at(7);
    Store8Nibbles(a, b, c, d, f, g, h, i, y, false);
  } else {
    Store4<true>(a, b, c, d, y, false);
  }
  return !hn::AllFalse(L::DI(), hn::Lt(least, L::SetI(Encoder::kNearTie)));
#else
  (void)e;
  using L = QuadLanes;
  const bool stream = (flags & kStreamStores) != 0, permutes = (flags & kPermuteBytes) != 0;
  L::I q = constants.Encode(x, smooth);
  // A fraction of 15 bits is doubled, as is the code above it: then both are in place. The upper words are large.
  if constexpr (kBits == 8) q = L::AddI(q, q);
  if constexpr (kBits == 4) {
    const size_t n = 4 * VectorLanes::N();
    const L::I r = constants.Encode(x + n, smooth + (kSmooth ? n : 0));
    StoreFixedNibbles(q, r, constants, y, stream, permutes);
    return constants.AnyNearTie(hn::Min(LeastWords(q), LeastWords(r)));
  } else {
    StoreFixed(q, constants, y, stream, permutes);
    return constants.AnyNearTie(LeastWords(q));
  }
#endif
}

// Returns whether a quotient must decide and the block is to be encoded again.
template <bool kSmooth, class In, class Encoder>
KVANT_INLINE bool EncodeBlock(const Encoder& e, const BlockConstants<Encoder>& constants, const In* x,
                              const float* smooth, uint8_t* y, uint32_t flags) {
  if constexpr (Encoder::kFixed) {
    return EncodeFixed<kSmooth>(e, constants, x, smooth, y, flags);
  } else {
    (void)constants;
    EncodeQuotients<kSmooth>(e, x, smooth, y, (flags & kStreamStores) != 0);
    return false;
  }
}

// Blocks as `again` has bits.
template <bool kSmooth, class In, class Encoder>
HWY_NOINLINE void EncodeAgain(Encoder encode, const In* x, const float* smooth, uint8_t* y, uint64_t again,
                              bool stream) {
  const size_t block = BlockElements<Encoder::kTo>();
  for (; again != 0; again &= again - 1) {
    const size_t i = static_cast<size_t>(std::countr_zero(again)) * block;
    EncodeQuotients<kSmooth>(encode, x + i, smooth + (kSmooth ? i : 0), y + CodeBytes<Encoder::kTo>(i), stream);
  }
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
  EncodeQuotients<kSmooth>(encode, x, smooth, to, false);
  if (n < block) CopyFew(y, codes, CodeBytes<kFormat>(n));
}

// Asks for `bytes` of what will be read next, if anything.
KVANT_INLINE void Fetch(const void* next, size_t from, size_t bytes) {
  if (next == nullptr) return;
  for (size_t b = 0; b < bytes; b += 64) hwy::Prefetch(static_cast<const char*>(next) + from + b);
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

// Any number of elements: whole blocks, the last one overlapping the one before it. `prefetch` and `flags`: those of
// EncodeArgs.
template <Format kFormat, bool kSmooth, class In, class Encoder>
KVANT_INLINE void EncodeRow(Encoder encode, const In* x, const float* smooth, size_t n, uint8_t* y,
                            const void* prefetch, uint32_t flags) {
  const size_t block = BlockElements<kFormat>();
  if (HWY_UNLIKELY(n < block)) {
    if (n != 0) EncodeOne<kFormat, kSmooth>(ByQuotients(encode), x, smooth, n, y);
    return;
  }
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
  // In steps whose quarters are whole cache lines.
  const size_t blocks_in_step = HWY_MAX(size_t{1}, 256 / (block * sizeof(In)));
  const size_t quarters = (flags & kFetchQuarter) != 0 ? 1 : 3,
               step = blocks_in_step * block * sizeof(In) / 4 * quarters;
  const char* next = static_cast<const char*>(prefetch);
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
        Fetch(next, 0, step);
        next += step;
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

template <class In, Format kFormat, bool kAsymmetric, bool kSmooth, Path kPath>
void Encode(const EncodeArgs& a, const RowParams& p) {
  if constexpr (kPath == Path::kExact && !kAsymmetric) {
    // Adding -0 changes nothing, so one encoder is enough.
    return Encode<In, kFormat, true, kSmooth, kPath>(a, {.scale = p.scale, .offset = -0.0f, .inverse = p.inverse});
  } else {
    using Encoder = RowEncoder<In, kFormat, kAsymmetric, kSmooth, kPath>;
    const Encoder encode(p);
    if constexpr (Encoder::kFixed) {
      if (!encode.Takes()) return Encode<In, kFormat, kAsymmetric, kSmooth, Path::kFastTiny>(a, p);
    }
    EncodeRow<kFormat, kSmooth>(encode, static_cast<const In*>(a.x), a.smooth, static_cast<size_t>(a.n), a.y,
                                a.prefetch, a.flags);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
