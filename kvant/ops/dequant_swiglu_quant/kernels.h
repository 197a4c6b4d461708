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

// How far ahead of its use the second half of a row is asked for.
inline constexpr int64_t kFetchAhead = 4096;

struct Attributes {
  float limit = 0, alpha = 0, bias = 0;  // clamped modes only
};

// Factors that are absent: every index of such an array reads its start, which is as long as any block.
inline constexpr int64_t kOnes = 256;

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
  // Indices into weight scales and smooth are and-ed with these: 0 for kOnes ones.
  int64_t weight_mask;
  int64_t smooth_mask;
  int64_t n;
  float* s;
  // What to ask for meanwhile, or null: n * next_bytes bytes from `next` on and from `next_lin` on, and, four bytes to
  // an element, the second half of the row (kFetchAhead bytes ahead) followed by that of the next.
  const char* next;
  const char* next_lin;
  int64_t next_bytes;
  const char* second;
  const char* next_second;
  Attributes attributes;
};

// Bits of the largest |s * smooth|, a NaN having the largest; and, where x is bfloat16 or float32, of the largest |act|
// or |lin|.
struct Largest {
  int32_t s = 0;
  int32_t x = 0;
};

// The smallest magnitude that is not 0, the largest, and the smallest of all, as bits; of nothing these.
struct Magnitudes {
  int32_t least = INT32_MAX;
  int32_t most = 0;
  int32_t least_or_zero = INT32_MAX;

  void Merge(const Magnitudes& o) {
    if (o.least < least) least = o.least;
    if (o.most > most) most = o.most;
    if (o.least_or_zero < least_or_zero) least_or_zero = o.least_or_zero;
  }
  void Add(int32_t magnitude) { Merge({magnitude != 0 ? magnitude : INT32_MAX, magnitude, magnitude}); }
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
