// Static quantization of elements, for rowwise/cuda_grid.cuh.
#ifndef KVANT_OPS_QUANTIZE_CUDA_CUH_
#define KVANT_OPS_QUANTIZE_CUDA_CUH_

#include "kvant/ops/quantize/cuda_plan.h"
#include "kvant/rowwise/cuda_dispatch.cuh"
#include "kvant/rowwise/cuda_grid.cuh"

namespace kvant::cuda {

template <class In, Format kFormat, bool kHybrid>
struct QuantizeOp {
  static constexpr bool kClears = false;
  static constexpr int kElements = 16 / static_cast<int>(sizeof(In));

  quantize::CudaParameters parameters;

  KVANT_INLINE void Columns(const CudaElements& e, const GridStretch& s, int t, int width) const {
    using quantize::kIndex;
    using quantize::kX;
    using quantize::kY;
    const int64_t step = e.grid.column_stride(kIndex);
    const char* x = e.data[kX] + s.offset[kX];
    if (e.vectors) {
      for (int64_t c = s.from + static_cast<int64_t>(t) * kElements; c < s.to;
           c += static_cast<int64_t>(width) * kElements) {
        const Packed<16> v = Load<16>(x + c * static_cast<int64_t>(sizeof(In)));
        float scale[kElements], zero[kElements];
        Numbers(parameters.scale, s.offset[kIndex] + c * step, step, 1, scale);
        Numbers(parameters.zero, s.offset[kIndex] + c * step, step, 0, zero);
        int32_t codes[kElements];
        KVANT_UNROLL
        for (int i = 0; i < kElements; ++i) codes[i] = Code(NumberAt<In>(v, i), scale[i], zero[i]);
        Store(Y(e, s, c), PackCodes<kFormat>(codes));
      }
      return;
    }
    const auto one = [&](int64_t c) {
      const int64_t index = s.offset[kIndex] + c * step;
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
  KVANT_INLINE static char* Y(const CudaElements& e, const GridStretch& s, int64_t c) {
    const int64_t code = s.offset[quantize::kY] + c * e.grid.column_stride(quantize::kY);
    return e.data[quantize::kY] + (kFormat == Format::kInt4 ? code >> 1 : code);
  }

  KVANT_INLINE int32_t Code(float x, float scale, float zero) const {
    using Codec = std::conditional_t<kHybrid, HiFloat8Codec<L, true>, CodecOf<L, kFormat>>;
    const float q = parameters.reciprocal ? L::Mul(x, scale) : L::Div(x, scale);
    return Codec::Encode(parameters.zero.data == nullptr ? q : L::Add(q, zero));
  }

  KVANT_INLINE static float Number(const quantize::Parameter& p, int64_t index, float absent) {
    return p.data == nullptr ? absent : NumberOf(p.At(index), p.dtype);
  }
  // One for all of them, or neighbours in memory (PackedParameter).
  KVANT_INLINE static void Numbers(const quantize::Parameter& p, int64_t index, int64_t step, float absent,
                                   float (&to)[kElements]) {
    if (p.data == nullptr || p.single || step == 0) {
      const float one = Number(p, index, absent);
      KVANT_UNROLL
      for (int i = 0; i < kElements; ++i) to[i] = one;
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
    if (p.hybrid) return launch(GridKernel<QuantizeOp<In, Format::kHiFloat8, true>>{e, {p}});
    return VisitFormat(p.format, [&](auto format) {
      return launch(GridKernel<QuantizeOp<In, decltype(format)::value, false>>{e, {p}});
    });
  });
}

}  // namespace kvant::cuda

#endif  // KVANT_OPS_QUANTIZE_CUDA_CUH_
