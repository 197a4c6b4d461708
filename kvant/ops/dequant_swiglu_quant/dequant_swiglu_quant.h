// The activation between the two matrix products of a mixture of experts, in one pass: dequantize, SwiGLU, quantize.
#ifndef KVANT_OPS_DEQUANT_SWIGLU_QUANT_DEQUANT_SWIGLU_QUANT_H_
#define KVANT_OPS_DEQUANT_SWIGLU_QUANT_DEQUANT_SWIGLU_QUANT_H_

#include <cstdint>

#include "kvant/core/exec.h"
#include "kvant/core/status.h"
#include "kvant/core/tensor.h"
#include "kvant/formats/format.h"

namespace kvant {

// Which elements of a row are gates (act) and which are linear (lin), and what is made of them.
enum class SwigluMode : uint8_t {
  kSwish = 0,               // halves: s = (act / (1 + exp(-act))) * lin
  kClampedInterleaved = 1,  // act the even, lin the odd elements: a = min(act, L), b = clamp(lin, -L, L) + glu_bias,
                            // s = (a / (1 + exp(-(glu_alpha * a)))) * b
  kClamped = 2,             // the same of halves
};

// Where the scales of the codes come from.
enum class ScaleSource : uint8_t {
  kStatic = 0,   // given: y = cast(s / quant_scale + quant_offset)
  kDynamic = 1,  // measured: s = s * quant_scale; scale = max|s| / D of the row; y = cast(s / scale)
};

constexpr SwigluMode LastOf(SwigluMode) { return SwigluMode::kClamped; }
constexpr ScaleSource LastOf(ScaleSource) { return ScaleSource::kDynamic; }

// For every row of x, with g its parameter row:
//
//   v = float(x + bias[g])                                   int32 bias, added in int32, wrapping
//   v = (v * weight_scale[g]) * activation_scale[row]        x int32
//   v = v + bias[g]                                          floating bias
//   act, lin = parts of v;  s by swiglu_mode;  y and scale by quant_mode
//
// The static scale output is 0. A dynamic scale of 0 makes every code 0. Absent tensors act as 1 where they multiply or
// divide and as nothing where they add.
struct DequantSwigluQuantArgs {
  // int32 | bfloat16 | float16 | float32 [.., 2H], any strides. Only int32 takes weight_scale, activation_scale and
  // bias.
  ConstTensorView x;
  ConstTensorView weight_scale;      // optional, float32 [2H] | [1, 2H] | [P, 2H]
  ConstTensorView activation_scale;  // optional, float32, an element for each row of x in any shape
  ConstTensorView bias;              // optional, int32 | float32 | float16 | bfloat16, shaped like weight_scale
  // Optional, float32 | float16 | bfloat16 [H] | [1, H] | [P, H], or one number for all columns: [1] | [P] | [P, 1].
  // quant_offset is for kStatic.
  ConstTensorView quant_scale;
  ConstTensorView quant_offset;
  // Optional, int32 | int64. [G]: how many rows each group has (not where it ends); group i has parameter row i, and
  // tables have G rows or one for all. [G, 2]: (parameter row, how many rows). Groups follow one another from row 0;
  // rows past the last one get codes 0x00 and scale 0. Without group_index there is one parameter row.
  ConstTensorView group_index;
  bool activate_left = false;  // act is the first half; no meaning for kClampedInterleaved
  ScaleSource quant_mode = ScaleSource::kStatic;
  Format dst_type = Format::kInt8;  // not INT4
  SwigluMode swiglu_mode = SwigluMode::kSwish;
  double clamp_limit = 7.0;  // L, above 0. These three with the clamped modes only
  double glu_alpha = 1.702;
  double glu_bias = 1.0;
  TensorView y;      // codes [.., H], any strides
  TensorView scale;  // float32 x.shape[:-1], any strides
};

// What y and scale must look like. Fails like DequantSwigluQuant on bad inputs, values of group_index aside.
Status InferDequantSwigluQuant(const DequantSwigluQuantArgs& args, TensorSpec* y, TensorSpec* scale);

// Fails, before anything is written, with
//   kInvalidType   a dtype that is not listed above
//   kInvalidValue  an odd last dimension, dst_type INT4, scales or a bias for an x that is not int32, a quant_offset
//                  with kDynamic, attributes of the clamped modes that are not finite, not positive (clamp_limit) or
//                  given for kSwish, a tensor of another shape, a result that overlaps itself, the other or an input
//   kOutOfRange    a negative number of rows, more rows in groups than x has, a parameter row that there is not
//   kUnavailable   KVANT_TARGET names a target that there is not (core/target.h)
//   kOutOfMemory   no memory for the values of a row
Status DequantSwigluQuant(const DequantSwigluQuantArgs& args, const ExecOptions& exec = {});

}  // namespace kvant

#endif  // KVANT_OPS_DEQUANT_SWIGLU_QUANT_DEQUANT_SWIGLU_QUANT_H_
