// As many elements as fill a store, to codes: load, multiply by smooth scales, divide, add the offset, cast, pack,
// store; or INT8 and INT4 codes without a division (numerics/quotient.inc).
#if defined(KVANT_ROWWISE_BLOCK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_ROWWISE_BLOCK_INL_H_
#undef KVANT_ROWWISE_BLOCK_INL_H_
#else
#define KVANT_ROWWISE_BLOCK_INL_H_
#endif

#include <bit>

#include "kvant/formats/store-inl.h"
#include "kvant/formats/store_fixed-inl.h"
#include "kvant/numerics/fixed_offsets.h"
#include "kvant/numerics/quad_lanes-inl.h"
#include "kvant/rowwise/regular.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

#include "kvant/formats/codecs.inc"
#if !HWY_HAVE_SCALABLE
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

  static constexpr int kBits = Info(kFormat).bits;
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
  KVANT_INLINE RowEncoder(float s, float inverse_of_s, float o) : lift(1), scale(s), inverse(inverse_of_s), offset(o) {}

  // Whether it encodes with this offset; if not, Other does.
  KVANT_INLINE bool Takes() const { return !kFixed || !kAsymmetric || FixedOffsets(kBits).Take(offset); }

  // Of a scale that need not be lifted.
  KVANT_INLINE Other ByQuotients() const { return Other(scale, inverse, offset); }

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
  return static_cast<size_t>(kvant::CodeBytes(kFormat, static_cast<int64_t>(n)));
}

template <bool kSmooth, class In, class Encoder>
KVANT_INLINE Codes EncodeVector(const Encoder& encode, const In* x, const float* smooth, size_t vectors) {
  const size_t i = vectors * VectorLanes::N();
  return encode.template Encode<VectorLanes>(x + i, kSmooth ? smooth + i : nullptr);
}

// Elements that fill one store, by quotients. `half`: only the first 4 vectors of an INT4 block are meant.
template <bool kSmooth, class In, class Encoder>
KVANT_INLINE void EncodeQuotients(const Encoder& e, const In* x, const float* smooth, uint8_t* y, bool stream,
                                  bool half = false) {
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
    const size_t n = half ? 0 : 4 * VectorLanes::N();
    const QuadLanes::I r = half ? q : e.template Encode<QuadLanes>(x + n, smooth + (kSmooth ? n : 0));
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
#if HWY_HAVE_SCALABLE
template <class Encoder>
using BlockConstants = NoConstants<Encoder>;
#else
template <class Encoder>
struct StoreConstants : FixedConstants<Encoder::kOrder> {
  static constexpr int kBits = Encoder::kBits;
  VectorLanes::I upper = InRegister(VectorLanes::SetI(static_cast<int32_t>(0xFFFF0000)));

  KVANT_INLINE StoreConstants()
      : FixedConstants<Encoder::kOrder>(Encoder::kNearTie << (16 - FixedPoint<kBits>::kFractionBits),
                                        kBits == 8 ? 0x80 : 0) {}

  // Elements in the encoder's order.
  template <class In>
  KVANT_INLINE QuadLanes::F Load(const In* x) const {
    if constexpr (Encoder::kOrder == ElementOrder::kPairs) {
      return QuadLanes::LoadPairs(x, upper);
    } else {
      return QuadLanes::Load(x);
    }
  }
};

template <class Encoder>
struct EncoderConstants : StoreConstants<Encoder> {
  using L = VectorLanes;
  L::F inverse, start;

  explicit KVANT_INLINE EncoderConstants(const Encoder& e)
      : inverse(InRegister(L::Set(e.inverse))), start(InRegister(L::Set(e.FixedStart()))) {}

  // Those of another row.
  KVANT_INLINE void Set(const Encoder& e) {
    inverse = InRegister(L::Set(e.inverse));
    start = InRegister(L::Set(e.FixedStart()));
  }

  template <class In>
  KVANT_INLINE QuadLanes::I Encode(const In* x, const float* smooth) const {
    if constexpr (Encoder::kOrder == ElementOrder::kPairs) {
      return Encode(this->Load(x));
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
#if HWY_HAVE_SCALABLE
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
HWY_NOINLINE void EncodeAgain(const Encoder& encode, const In* x, const float* smooth, uint8_t* y, uint64_t again,
                              bool stream) {
  const size_t block = BlockElements<Encoder::kTo>();
  for (; again != 0; again &= again - 1) {
    const size_t i = static_cast<size_t>(std::countr_zero(again)) * block;
    EncodeQuotients<kSmooth>(encode, x + i, smooth + (kSmooth ? i : 0), y + CodeBytes<Encoder::kTo>(i), stream);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
