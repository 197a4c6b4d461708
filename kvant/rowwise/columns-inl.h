// Columns with parameters of their own: per-channel statistics, and encoding with a scale per column.
#if defined(KVANT_ROWWISE_COLUMNS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_ROWWISE_COLUMNS_INL_H_
#undef KVANT_ROWWISE_COLUMNS_INL_H_
#else
#define KVANT_ROWWISE_COLUMNS_INL_H_
#endif

#include "kvant/rowwise/encode-inl.h"
#include "kvant/rowwise/measure-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

// One vector of columns down all rows, as ordered bits of x'. The caller guarantees a whole vector.
template <class In>
KVANT_INLINE void MinMaxColumnVector(const In* x, int64_t stride, int64_t rows, const float* smooth, int32_t* min,
                                     int32_t* max) {
  const VectorLanes::DI di;
  Codes low = hn::LoadU(di, min), high = hn::LoadU(di, max);
  for (int64_t r = 0; r < rows; ++r) {
    F v = VectorLanes::Load(x + r * stride);
    if (smooth != nullptr) v = VectorLanes::Mul(v, VectorLanes::Set(smooth[r]));
    const Codes bits = OrderedBits<VectorLanes>(VectorLanes::Bits(v));
    low = hn::Min(low, bits);
    high = hn::Max(high, bits);
  }
  hn::StoreU(low, di, min);
  hn::StoreU(high, di, max);
}

template <class In>
void MinMaxColumns(const void* x_bytes, int64_t stride, int64_t rows, const float* smooth, int64_t n, int32_t* min,
                   int32_t* max) {
  const In* x = static_cast<const In*>(x_bytes);
  const int64_t N = static_cast<int64_t>(VectorLanes::N());
  int64_t i = 0;
  for (; i + N <= n; i += N) MinMaxColumnVector(x + i, stride, rows, smooth, min + i, max + i);
  for (; i < n; ++i) {
    for (int64_t r = 0; r < rows; ++r) {
      float v = ToFloat32(x[r * stride + i]);
      if (smooth != nullptr) v *= smooth[r];
      const int32_t bits = OrderOf(std::bit_cast<int32_t>(v));
      min[i] = bits < min[i] ? bits : min[i];
      max[i] = bits > max[i] ? bits : max[i];
    }
  }
}

// Elements to codes with the parameters of their columns; L decides how many at a time. Every block reads the same
// arrays of shared parameters.
template <class In, Format kFormat, bool kHybrid, ColumnOp kOp, bool kSmooth>
struct ColumnEncoder {
  static constexpr Format kTo = kFormat;
  static constexpr bool kFixed = false;
  static constexpr bool kSignedZeros = kFormat == Format::kFloat8E4M3FN || kFormat == Format::kFloat8E5M2;
  static constexpr bool kTwice = kSmooth || std::is_same_v<In, float>;

  const In* x;
  float smooth;
  const float *scale, *inverse, *offset;
  size_t index_mask;

  explicit KVANT_INLINE ColumnEncoder(const EncodeColumnsArgs& a)
      : x(static_cast<const In*>(a.x)),
        smooth(a.smooth),
        scale(a.scale),
        inverse(a.inverse),
        offset(a.offset),
        index_mask(a.shared ? 0 : ~size_t{0}) {}

  template <class L>
  KVANT_INLINE typename L::I Encode(const In* at, const float*) const {
    using Codec = std::conditional_t<kHybrid, HiFloat8Codec<L, true>, CodecOf<L, kFormat>>;
    using V = typename L::F;
    const size_t i = static_cast<size_t>(at - x) & index_mask;
    V v = L::Load(at);
    if constexpr (kSmooth) v = L::Mul(v, L::Set(smooth));
    const V s = L::Load(scale + i), o = L::Load(offset + i);
    if constexpr (kOp == ColumnOp::kMultiply) {
      return Codec::Encode(L::Add(L::Mul(v, s), o));
    } else if constexpr (kOp == ColumnOp::kDivide) {
      return Codec::Encode(L::Add(L::Div(v, s), o));
    } else {
      V q = DivideBy<kTwice, L>(v, s, L::Load(inverse + i));
      // The correction makes every zero +0, and flushing a subnormal v may have made one; the scale is positive.
      if constexpr (kSignedZeros) q = L::FloatOf(L::BitSelect(L::SetI(0x7FFFFFFF), L::Bits(q), L::Bits(v)));
      return Codec::EncodeNumber(L::Add(q, o));
    }
  }
};

#if !HWY_HAVE_SCALABLE
// The same without quotients (numerics/quotient.inc): where x' and so their quotients are numbers, and offsets are
// those of FixedOffsets.
template <class In, Format kFormat, bool kShared>
struct FixedColumnEncoder {
  static constexpr Format kTo = kFormat;
  static constexpr bool kFixed = true;
  static constexpr int kBits = Info(kFormat).bits;
  static constexpr int32_t kNearTie = kNear<true>;
  static constexpr ElementOrder kOrder =
      kShared && std::is_same_v<In, BFloat16> ? ElementOrder::kPairs : ElementOrder::kVectors;
  using Other = ColumnEncoder<In, kFormat, false, ColumnOp::kDivideFast, false>;

  Other columns;

  KVANT_INLINE Other ByQuotients() const { return columns; }
};

template <class In, Format kFormat, bool kShared>
struct EncoderConstants<FixedColumnEncoder<In, kFormat, kShared>>
    : StoreConstants<FixedColumnEncoder<In, kFormat, kShared>> {
  using Encoder = FixedColumnEncoder<In, kFormat, kShared>;
  using L = QuadLanes;
  using V = VectorLanes;
  // Where shared, start is that of the offset; else of an offset of zero.
  V::F start, least = InRegister(V::Set(kFixedLeast<Encoder::kBits>)),
              most = InRegister(V::Set(kFixedMost<Encoder::kBits>));
  V::F shared_inverse;
  const In* x;
  const float *inverse, *offset;

  explicit KVANT_INLINE EncoderConstants(const Encoder& e)
      : start(InRegister(V::Set(FixedStart<Encoder::kBits, true>(kShared ? e.columns.offset[0] : 0.0f)))),
        shared_inverse(InRegister(V::Set(e.columns.inverse[0]))),
        x(e.columns.x),
        inverse(e.columns.inverse),
        offset(e.columns.offset) {}

  KVANT_INLINE L::I Encode(const In* at, const float*) const {
    if constexpr (kShared) {
      return Encode(this->Load(at), {shared_inverse, shared_inverse, shared_inverse, shared_inverse},
                    {start, start, start, start});
    } else {
      const size_t i = static_cast<size_t>(at - x);
      return Encode(this->Load(at), L::Load(inverse + i), L::Add(L::Load(offset + i), {start, start, start, start}));
    }
  }

 private:
  KVANT_INLINE L::I Encode(L::F v, L::F by, L::F from) const {
    const L::F sum = L::MulAdd(v, by, from);
    return L::Bits(L::Min(L::Max(sum, {least, least, least, least}), {most, most, most, most}));
  }
};
#endif

template <class In, Format kFormat, bool kHybrid, ColumnOp kOp, bool kSmooth>
KVANT_INLINE void EncodeColumnsWith(EncodeColumnsArgs a) {
  using Encoder = ColumnEncoder<In, kFormat, kHybrid, kOp, kSmooth>;
  const size_t n = static_cast<size_t>(a.n);
  const size_t block = BlockElements<kFormat>();
  if (n >= block) {
    EncodeRow<kFormat, false>(Encoder(a), static_cast<const In*>(a.x), nullptr, n, a.y, a.prefetch, a.flags,
                              a.prefetch_y);
    return;
  }
  // What is shorter than a block goes into copies with room for one.
  float scale[kMaxBlock], inverse[kMaxBlock], offset[kMaxBlock];
  if (!a.shared) {
    const auto copy = [&](float* to, const float*& from) HWY_ATTR {
      std::memcpy(to, from, n * sizeof(float));
      std::fill(to + n, to + block, 1.0f);
      from = to;
    };
    copy(scale, a.scale);
    copy(offset, a.offset);
    if constexpr (kOp == ColumnOp::kDivideFast) copy(inverse, a.inverse);
  }
  In x[kMaxBlock];
  alignas(64) uint8_t codes[kMaxBlock];
  std::memcpy(x, a.x, n * sizeof(In));
  std::memset(x + n, 0, (block - n) * sizeof(In));
  a.x = x;
  EncodeOne<kFormat, false>(Encoder(a), x, nullptr, block, codes);
  std::memcpy(a.y, codes, CodeBytes<kFormat>(n));
}

template <class In, Format kFormat, bool kHybrid, ColumnOp kOp>
void EncodeColumns(const EncodeColumnsArgs& a) {
  // Multiplying by 1 changes nothing, but a product has 24 bits, which costs a correction.
  if constexpr (kOp == ColumnOp::kDivide) {
    EncodeColumnsWith<In, kFormat, kHybrid, kOp, true>(a);
  } else if constexpr (kOp == ColumnOp::kDivideFast) {
    if (a.smooth != 1.0f) return EncodeColumnsWith<In, kFormat, kHybrid, kOp, true>(a);
#if !HWY_HAVE_SCALABLE
    if constexpr (IsInteger(kFormat)) {
      const size_t n = static_cast<size_t>(a.n);
      if (a.fixed && n >= BlockElements<kFormat>()) {
        const ColumnEncoder<In, kFormat, false, ColumnOp::kDivideFast, false> columns(a);
        const In* x = static_cast<const In*>(a.x);
        if (a.shared) {
          const FixedColumnEncoder<In, kFormat, true> encode{columns};
          EncodeRow<kFormat, false>(encode, x, nullptr, n, a.y, a.prefetch, a.flags, a.prefetch_y);
        } else {
          const FixedColumnEncoder<In, kFormat, false> encode{columns};
          EncodeRow<kFormat, false>(encode, x, nullptr, n, a.y, a.prefetch, a.flags, a.prefetch_y);
        }
        return;
      }
    }
#endif
    EncodeColumnsWith<In, kFormat, kHybrid, kOp, false>(a);
  } else {
    EncodeColumnsWith<In, kFormat, kHybrid, kOp, false>(a);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
