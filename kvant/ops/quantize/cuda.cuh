// Static quantization of elements, for rowwise/cuda_grid.cuh.
#ifndef KVANT_OPS_QUANTIZE_CUDA_CUH_
#define KVANT_OPS_QUANTIZE_CUDA_CUH_

#include "kvant/ops/quantize/cuda_plan.h"
#include "kvant/rowwise/cuda_dispatch.cuh"
#include "kvant/rowwise/cuda_grid.cuh"

namespace kvant::cuda {

template <class In, Format kFormat, bool kHybrid>
struct QuantizeOp : ColumnsOnly {
  static constexpr bool kReadsByIndex = false;
  static constexpr int kStep = 16 / static_cast<int>(sizeof(In));
  using Word = Packed<16>;

  quantize::CudaParameters parameters;

  KVANT_INLINE Word Read(const CudaElements& e, const GridStretch& s, int64_t column) const {
    return Load<16>(e.data[quantize::kX] + s.offset[quantize::kX] + column * static_cast<int64_t>(sizeof(In)));
  }

  // One scale and zero point for all, with which quotients may be products, or are; else how is kCodesExact.
  using Context = RowCode;
  KVANT_INLINE Context Prepare(const CudaElements& e, const GridStretch& s) const {
    RowCode code{1, 0, 1, kCodesExact};
    const bool across = e.grid.column_stride(quantize::kIndex) != 0;
    if (across && !(parameters.scale.single && (!HasZero() || parameters.zero.single))) return code;
    code.scale = Number(parameters.scale, s.offset[quantize::kIndex], 1);
    code.offset = Number(parameters.zero, s.offset[quantize::kIndex], 0);
    if (parameters.reciprocal) {
      code.how = kCodesFast;
      return code;
    }
    constexpr PathRule kWithout(kFormat, false), kWith(kFormat, true);
    constexpr float kMostScale = 0x1p100f;  // so that kFarQuotient times it is a number
    const Path path = HasZero() ? kWith.For(code.scale, code.offset) : kWithout.For(code.scale, code.offset);
    if (path == Path::kFast && code.scale <= kMostScale) {
      code.inverse = L::Div(1.0f, code.scale);
      code.how = kCodesFast;
    }
    return code;
  }

  KVANT_INLINE void Write(const CudaElements& e, const GridStretch& s, int64_t column, const Word& x,
                          const Context& code) const {
    Store(Y(e, s, column), ClampedCodes(x, code));
  }

  KVANT_INLINE static bool TakesWords(const Context& code) { return code.how == kCodesFast; }
  KVANT_INLINE void WriteRarely(const CudaElements& e, const GridStretch& s, int64_t column, const Word& x) const {
    const int64_t step = e.grid.column_stride(quantize::kIndex), index = s.offset[quantize::kIndex] + column * step;
    float scale[kStep], zero[kStep];
    Numbers(parameters.scale, index, step, 1, scale);
    Numbers(parameters.zero, index, step, 0, zero);
    int32_t codes[kStep];
    KVANT_UNROLL
    for (int i = 0; i < kStep; ++i) codes[i] = Code(NumberAt<In>(x, i), scale[i], zero[i]);
    Store(Y(e, s, column), PackCodes<kFormat>(codes));
  }

  KVANT_INLINE void Columns(const CudaElements& e, const GridStretch& s, int t, int width) const {
    using quantize::kIndex;
    using quantize::kX;
    const char* x = e.data[kX] + s.offset[kX];
    const auto one = [&](int64_t c) {
      const int64_t index = s.offset[kIndex] + c * e.grid.column_stride(kIndex);
      return Code(L::Number(LoadAs<In>(x + c * e.grid.column_stride(kX))), Number(parameters.scale, index, 1),
                  Number(parameters.zero, index, 0));
    };
    if constexpr (kFormat == Format::kInt4) {
      for (int64_t c = s.from + 2 * t; c < s.to; c += 2 * width) {
        const int32_t codes[2] = {one(c), one(c + 1)};
        Store(Y(e, s, c), PackCodes<kFormat>(codes));
      }
    } else {
      for (int64_t c = s.from + t; c < s.to; c += width) {
        const int32_t codes[1] = {one(c)};
        Store(Y(e, s, c), PackCodes<kFormat>(codes));
      }
    }
  }

 private:
  using Codec = std::conditional_t<kHybrid, HiFloat8Codec<L, true>, CodecOf<L, kFormat>>;

  KVANT_INLINE bool HasZero() const { return parameters.zero.data != nullptr; }

  KVANT_INLINE static char* Y(const CudaElements& e, const GridStretch& s, int64_t c) {
    const int64_t code = s.offset[quantize::kY] + c * e.grid.column_stride(quantize::kY);
    return e.data[quantize::kY] + (kFormat == Format::kInt4 ? code >> 1 : code);
  }

  KVANT_INLINE int32_t Code(float x, float scale, float zero) const {
    const float q = parameters.reciprocal ? L::Mul(x, scale) : L::Div(x, scale);
    return Codec::Encode(HasZero() ? L::Add(q, zero) : q);
  }

  // Quotients as far as this from 0, and whatever is farther, saturate alike with every zero point of a fast row.
  static constexpr float kFarQuotient = 0x1p20f;

  KVANT_INLINE auto ClampedCodes(const Word& x, const RowCode& code) const {
    constexpr bool kTwice = sizeof(In) == 4;
    const float far = L::Mul(code.scale, kFarQuotient);
    float q[kStep];
    KVANT_UNROLL
    for (int i = 0; i < kStep; ++i) {
      if (parameters.reciprocal) {
        q[i] = L::Mul(NumberAt<In>(x, i), code.scale);
        if (HasZero()) q[i] = L::Add(q[i], code.offset);
        continue;
      }
      const float v = L::AtMost(L::AtLeast(NumberAt<In>(x, i), -far), far);
      q[i] = HasZero() ? FastNumber<true>(v, code, kTwice) : FastNumber<false>(v, code, kTwice);
    }
    if constexpr (kFormat == Format::kFloat8E4M3FN || kFormat == Format::kFloat8E5M2) {
      return PackPairs<kFormat>(q);
    } else {
      int32_t codes[kStep];
      KVANT_UNROLL
      for (int i = 0; i < kStep; ++i) codes[i] = Codec::Encode(q[i]);
      return PackCodes<kFormat>(codes);
    }
  }

  KVANT_INLINE static float Number(const quantize::Parameter& p, int64_t index, float absent) {
    return p.data == nullptr ? absent : NumberOf(p.At(index), p.dtype);
  }
  // One for all of them, or neighbours in memory (PackedParameter).
  KVANT_INLINE static void Numbers(const quantize::Parameter& p, int64_t index, int64_t step, float absent,
                                   float (&to)[kStep]) {
    if (p.data == nullptr || p.single || step == 0) {
      const float one = Number(p, index, absent);
      KVANT_UNROLL
      for (int i = 0; i < kStep; ++i) to[i] = one;
    } else {
      NumbersOf(p.data + index * ByteSize(p.dtype), p.dtype, to);
    }
  }
};

// Calls launch(kernel) with the one that a plan needs.
template <class Launch>
Status DispatchQuantize(const quantize::CudaParameters& p, const CudaElements& e, const Launch& launch) {
  return VisitFloat(p.x_dtype, [&](auto kind) {
    using In = decltype(kind);
    if (p.hybrid) return DispatchGrid(e, QuantizeOp<In, Format::kHiFloat8, true>{{}, p}, launch);
    return VisitFormat(p.format, [&](auto format) {
      return DispatchGrid(e, QuantizeOp<In, decltype(format)::value, false>{{}, p}, launch);
    });
  });
}

}  // namespace kvant::cuda

#endif  // KVANT_OPS_QUANTIZE_CUDA_CUH_
