// Parts of rows of any layout: statistics, parameters and codes.
#ifndef KVANT_ROWWISE_CUDA_STRETCH_CUH_
#define KVANT_ROWWISE_CUDA_STRETCH_CUH_

#include "kvant/rowwise/cuda_places.cuh"

namespace kvant::cuda {

// x' of a column, wherever it lies.
template <class In>
KVANT_INLINE float Element(const CudaRows& p, const RowPlace& at, int64_t column) {
  const float v = L::Number(LoadAs<In>(at.x + column * p.x_step));
  return at.smooth == nullptr ? v : L::Mul(v, NumberOf(at.smooth + column * p.smooth_step, p.smooth_dtype));
}

// Statistics of columns [from, to), each thread's share of them added to its own.
template <class In, class Team>
KVANT_INLINE void MeasureStretch(const Team& team, const CudaRows& p, const RowPlace& at, int64_t from, int64_t to,
                                 typename Team::template Own<MinMaxBits>* bits) {
  team.Each([&](int t) {
    for (int64_t c = from + t; c < to; c += team.width()) AddNumber(Element<In>(p, at, c), &(*bits)[t]);
  });
}

// A thread's share of the codes of columns [from, to), one by one or, for INT4, in pairs; from is even then.
template <class In, Format kFormat>
KVANT_INLINE void EncodeShare(const CudaRows& p, const RowPlace& at, int64_t from, int64_t to, const RowCode& code,
                              int t, int width) {
  const bool twice = sizeof(In) == 4 || p.smooth != nullptr;
  const auto one = [&](int64_t c) -> int32_t {
    if (code.how == kCodesZero || at.zero) return 0;
    const float v = Element<In>(p, at, c);
    if (code.how == kCodesExact) return ExactCode<kFormat>(v, code, p.asymmetric);
    return p.asymmetric ? FastCode<kFormat, true>(v, code, twice) : FastCode<kFormat, false>(v, code, twice);
  };
  if constexpr (kFormat == Format::kInt4) {
    for (int64_t c = from + 2 * t; c < to; c += 2 * width) {
      const int32_t codes[2] = {one(c), one(c + 1)};
      Store(at.y + c / 2, PackCodes<kFormat>(codes));
    }
  } else {
    for (int64_t c = from + t; c < to; c += width) {
      const int32_t codes[1] = {one(c)};
      Store(at.y + c * p.y_step, PackCodes<kFormat>(codes));
    }
  }
}

// Statistics, where only the magnitude counts with it as the maximum.
template <bool kMagnitude>
KVANT_INLINE MinMaxValues Numbers(const MinMaxBits& bits, bool empty_is_zero) {
  MinMaxValues v = ValuesOf<L>(bits, empty_is_zero);
  if constexpr (kMagnitude) {
    const int32_t a = L::Bits(v.min) & INT32_MAX, b = L::Bits(v.max) & INT32_MAX;
    v.max = L::FloatOf(L::MaxI(a, b));
  }
  return v;
}

template <Format kFormat>
KVANT_INLINE RowCode ParametersOf(const CudaRows& p, bool asymmetric, const MinMaxValues& v) {
  return CodeOf<kFormat>(ParamsOf<L>(v.min, v.max, asymmetric, p.d, p.r, p.param_dtype), v, asymmetric, p.d, p.r,
                         p.param_dtype);
}

KVANT_INLINE void StoreParameters(const CudaRows& p, bool asymmetric, const RowPlace& at, const RowCode& code) {
  PutNumber(at.scale, at.zero ? 0 : code.scale, p.param_dtype, false);
  if (asymmetric) PutNumber(at.offset, at.zero ? 0 : code.offset, p.param_dtype, !at.zero && p.negate_offset);
}

struct MergeBits {
  KVANT_INLINE MinMaxBits operator()(const MinMaxBits& a, const MinMaxBits& b) const { return Merge(a, b); }
};

}  // namespace kvant::cuda

#endif  // KVANT_ROWWISE_CUDA_STRETCH_CUH_
