// Codes to numbers, for rowwise/cuda_grid.cuh.
#ifndef KVANT_OPS_DEQUANTIZE_CUDA_CUH_
#define KVANT_OPS_DEQUANTIZE_CUDA_CUH_

#include "kvant/ops/dequantize/cuda_plan.h"
#include "kvant/rowwise/cuda_dispatch.cuh"
#include "kvant/rowwise/cuda_grid.cuh"

namespace kvant::cuda {

template <Format kFormat, class Out>
struct DequantizeOp : ColumnsOnly {
  static constexpr bool kClears = true;
  static constexpr int kStep = 16 / static_cast<int>(sizeof(Out));
  static constexpr int kBits = kFormat == Format::kInt4 ? 4 : 8;
  using Word = Packed<kStep * kBits / 8>;

  dequantize::CudaFormats formats;

  KVANT_INLINE Word Read(const CudaElements& e, const GridStretch& s, int64_t column) const {
    return Load<kStep * kBits / 8>(Codes(e, s, column));
  }

  // Scale and offset where they are the same for all.
  struct Context {
    float scale, offset;
    bool one;
  };
  KVANT_INLINE Context Prepare(const CudaElements& e, const GridStretch& s) const {
    if (e.grid.column_stride(dequantize::kScale) != 0 || e.grid.column_stride(dequantize::kOffset) != 0) {
      return {0, 0, false};
    }
    return {Scale(e, s, 0), Offset(e, s, 0), true};
  }

  KVANT_INLINE void Write(const CudaElements& e, const GridStretch& s, int64_t column, const Word& codes,
                          const Context& context) const {
    float v[kStep];
    if (context.one) {
      KVANT_UNROLL
      for (int i = 0; i < kStep; ++i) {
        v[i] = Reconstruct<L>(Decode(codes.word[i * kBits / 32], i), context.scale, context.offset);
      }
    } else {
      KVANT_UNROLL
      for (int i = 0; i < kStep; ++i) {
        v[i] = Reconstruct<L>(Decode(codes.word[i * kBits / 32], i), Scale(e, s, column + i), Offset(e, s, column + i));
      }
    }
    Store(X(e, s, column), PackNumbers(v));
  }

  KVANT_INLINE void Columns(const CudaElements& e, const GridStretch& s, int t, int width) const {
    for (int64_t c = s.from + t; c < s.to; c += width) {
      const uint32_t byte = Load<1>(Codes(e, s, c)).word[0];
      const int64_t code = s.offset[dequantize::kCodes] + c * e.grid.column_stride(dequantize::kCodes);
      const float q = Decode(byte, kFormat == Format::kInt4 ? static_cast<int>(code & 1) : 0);
      StoreNumber(X(e, s, c), Reconstruct<L>(q, Scale(e, s, c), Offset(e, s, c)));
    }
  }

  KVANT_INLINE void Clear(const CudaElements& e, const GridStretch& s, int t, int width) const {
    for (int64_t c = s.from + t; c < s.to; c += width) StoreNumber(X(e, s, c), 0);
  }

 private:
  KVANT_INLINE static char* X(const CudaElements& e, const GridStretch& s, int64_t c) {
    return e.data[dequantize::kX] + s.offset[dequantize::kX] + c * e.grid.column_stride(dequantize::kX);
  }
  KVANT_INLINE static const char* Codes(const CudaElements& e, const GridStretch& s, int64_t c) {
    const int64_t code = s.offset[dequantize::kCodes] + c * e.grid.column_stride(dequantize::kCodes);
    return e.data[dequantize::kCodes] + (kFormat == Format::kInt4 ? code >> 1 : code);
  }
  KVANT_INLINE float Scale(const CudaElements& e, const GridStretch& s, int64_t c) const {
    const char* at = e.data[dequantize::kScale] + s.offset[dequantize::kScale];
    return NumberOf(at + c * e.grid.column_stride(dequantize::kScale), formats.param_dtype);
  }
  // Without an offset +0, which changes nothing: -0 - (+0) is -0.
  KVANT_INLINE float Offset(const CudaElements& e, const GridStretch& s, int64_t c) const {
    if (!formats.has_offset) return 0;
    const char* at = e.data[dequantize::kOffset] + s.offset[dequantize::kOffset];
    const float v = NumberOf(at + c * e.grid.column_stride(dequantize::kOffset), formats.param_dtype);
    return formats.negate ? -v : v;
  }

  // Code i of a word of them.
  KVANT_INLINE static float Decode(uint32_t word, int i) {
    const int32_t raw = static_cast<int32_t>(word >> (i * kBits % 32)) & ((1 << kBits) - 1);
    constexpr int32_t kSign = 1 << (kBits - 1);
    return CodecOf<L, kFormat>::Decode(IsInteger(kFormat) ? (raw ^ kSign) - kSign : raw);
  }

  KVANT_INLINE static void StoreNumber(char* to, float v) {
    const Out out = L::Narrow<Out>(v);
    Packed<static_cast<int>(sizeof(Out))> p;
    p.word[0] = 0;
    memcpy(p.word, &out, sizeof(Out));
    Store(to, p);
  }
  KVANT_INLINE static Packed<16> PackNumbers(const float (&v)[kStep]) {
    Out out[kStep];
    KVANT_UNROLL
    for (int i = 0; i < kStep; ++i) out[i] = L::Narrow<Out>(v[i]);
    Packed<16> p;
    memcpy(p.word, out, sizeof(out));
    return p;
  }
};

template <class Launch>
Status DispatchDequantize(const dequantize::CudaFormats& f, const CudaElements& e, const Launch& launch) {
  return VisitFloat(f.x_dtype, [&](auto kind) {
    return VisitFormat(f.format, [&](auto format) {
      return DispatchGrid(e, DequantizeOp<decltype(format)::value, decltype(kind)>{{}, f}, launch);
    });
  });
}

}  // namespace kvant::cuda

#endif  // KVANT_OPS_DEQUANTIZE_CUDA_CUH_
