// What a backend provides for dequant_swiglu_quant: the SwiGLU values of contiguous elements, and ranges of parameters.
#ifndef KVANT_OPS_DEQUANT_SWIGLU_QUANT_KERNELS_H_
#define KVANT_OPS_DEQUANT_SWIGLU_QUANT_KERNELS_H_

#include <cstdint>

#include "kvant/core/dtype.h"
#include "kvant/core/target.h"
#include "kvant/ops/dequant_swiglu_quant/dequant_swiglu_quant.h"

namespace kvant::swiglu {

enum class Bias : uint8_t { kNone, kInt32, kFloat };
inline constexpr int kNumBiases = 3;
inline constexpr int kNumModes = 3;

struct Attributes {
  float limit = 0, alpha = 0, bias = 0;  // clamped modes only
};

// n >= 1 elements. Interleaved: act has 2 n elements and lin is not used; parameters are always apart.
struct Piece {
  const void* act;
  const void* lin;
  // int32 x: weight_scale, and bias as int32 or float.
  const float* act_scale;
  const float* lin_scale;
  const void* act_bias;
  const void* lin_bias;
  float row_scale;
  const float* smooth;  // quant_scale of kDynamic, or ones
  int64_t n;
  float* s;
  // Null, or where the next pieces of act and lin are, of about n elements: they will be asked for.
  const void* next_act;
  const void* next_lin;
  Attributes attributes;
};

// Bits of the largest |s * smooth|, a NaN having the largest; and, where x is bfloat16 or float32, of the largest |act|
// or |lin|.
struct Largest {
  int32_t s = 0;
  int32_t x = 0;
};

// The smallest and largest magnitude that is not 0, as bits; INT32_MAX and 0 where there is none.
struct Magnitudes {
  int32_t least = INT32_MAX;
  int32_t most = 0;
};

using SwigluFunction = Largest (*)(const Piece&);

struct SwigluKernels {
  // [bias][mode], of one dtype of x; biases for int32 only.
  SwigluFunction swiglu[kNumBiases][kNumModes];
  Magnitudes (*magnitudes)(const float* v, int64_t n);
};

// The kernels of a target. x_dtype: int32 or a float.
const SwigluKernels& GetSwigluKernels(Target target, DType x_dtype);
const SwigluKernels& ReferenceSwigluKernels(DType x_dtype);

}  // namespace kvant::swiglu

#endif  // KVANT_OPS_DEQUANT_SWIGLU_QUANT_KERNELS_H_
