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

// A vector of elements with the parameters of its columns to a vector of codes.
template <class In, Format kFormat, bool kHybrid, ColumnOp kOp, bool kBroadcast>
struct ColumnEncoder {
  using Codec = std::conditional_t<kHybrid, HiFloat8Codec<VectorLanes, true>, CodecOf<VectorLanes, kFormat>>;
  static constexpr bool kSignedZeros = kFormat == Format::kFloat8E4M3FN || kFormat == Format::kFloat8E5M2;
  const EncodeColumnsArgs& a;
  const In* x;
  F smooth, scale, inverse, offset;

  explicit KVANT_INLINE ColumnEncoder(const EncodeColumnsArgs& args)
      : a(args),
        x(static_cast<const In*>(args.x)),
        smooth(VectorLanes::Set(args.smooth)),
        scale(VectorLanes::Set(args.scale[0])),
        inverse(VectorLanes::Set(kOp == ColumnOp::kDivideFast ? args.inverse[0] : 0)),
        offset(VectorLanes::Set(args.offset[0])) {}

  KVANT_INLINE Codes operator()(const In* at, const float*) const {
    const size_t i = static_cast<size_t>(at - x);
    const F v = VectorLanes::Mul(VectorLanes::Load(at), smooth);
    const F s = kBroadcast ? scale : VectorLanes::Load(a.scale + i);
    F q;
    if constexpr (kOp == ColumnOp::kMultiply) {
      q = VectorLanes::Mul(v, s);
    } else if constexpr (kOp == ColumnOp::kDivide) {
      q = VectorLanes::Div(v, s);
    } else {
      q = DivideBy<true>(v, s, kBroadcast ? inverse : VectorLanes::Load(a.inverse + i));
      // The correction makes every zero +0, and flushing a subnormal v may have made one; the scale is positive.
      if constexpr (kSignedZeros) {
        q = VectorLanes::FloatOf(
            VectorLanes::BitSelect(VectorLanes::SetI(0x7FFFFFFF), VectorLanes::Bits(q), VectorLanes::Bits(v)));
      }
    }
    return Codec::Encode(VectorLanes::Add(q, kBroadcast ? offset : VectorLanes::Load(a.offset + i)));
  }
};

template <class In, Format kFormat, bool kHybrid, ColumnOp kOp, bool kBroadcast>
void EncodeColumns(const EncodeColumnsArgs& a) {
  using Encoder = ColumnEncoder<In, kFormat, kHybrid, kOp, kBroadcast>;
  const size_t n = static_cast<size_t>(a.n);
  const size_t block = BlockElements<kFormat>();
  if (n >= block) {
    EncodeRow<kFormat, false>(Encoder(a), static_cast<const In*>(a.x), nullptr, n, a.y, nullptr, false);
    return;
  }
  // Elements and parameters in copies with room for a whole block.
  In x[kMaxBlock];
  float scale[kMaxBlock], inverse[kMaxBlock], offset[kMaxBlock];
  alignas(64) uint8_t codes[kMaxBlock];
  const auto copy = [&](float* to, const float* from) HWY_ATTR {
    const size_t given = kBroadcast ? 1 : n;
    std::memcpy(to, from, given * sizeof(float));
    std::fill(to + given, to + block, 1.0f);
  };
  std::memcpy(x, a.x, n * sizeof(In));
  std::memset(x + n, 0, (block - n) * sizeof(In));
  copy(scale, a.scale);
  copy(offset, a.offset);
  if constexpr (kOp == ColumnOp::kDivideFast) copy(inverse, a.inverse);
  const EncodeColumnsArgs padded{x, a.smooth, static_cast<int64_t>(block), scale, inverse, offset, codes};
  EncodeBlock<kFormat, false>(Encoder(padded), x, nullptr, codes, false);
  std::memcpy(a.y, codes, CodeBytes<kFormat>(n));
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
