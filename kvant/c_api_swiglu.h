// The part of the C API for mixtures of experts. c_api.h includes it and says what holds for all parts.
#ifndef KVANT_C_API_SWIGLU_H_
#define KVANT_C_API_SWIGLU_H_

#include "kvant/c_api_types.h"

#ifdef __cplusplus
extern "C" {
#endif

// NOLINTBEGIN(modernize-use-using): this is C

// How act, the gates, and lin are taken from a row, and what is made of them. L = clamp_limit.
typedef int32_t kvant_swiglu_mode;
enum {
  KVANT_SWIGLU_SWISH = 0,                // halves: s = (act / (1 + exp(-act))) * lin
  KVANT_SWIGLU_CLAMPED_INTERLEAVED = 1,  // act even, lin odd elements: a = min(act, L),
                                         // b = clamp(lin, -L, L) + glu_bias, s = (a / (1 + exp(-(glu_alpha * a)))) * b
  KVANT_SWIGLU_CLAMPED = 2               // the same of halves
};

// Where the scales of the codes come from.
typedef int32_t kvant_scale_source;
enum {
  KVANT_SCALE_STATIC = 0,  // y = cast(s / quant_scale + quant_offset); the scale output is 0
  KVANT_SCALE_DYNAMIC = 1  // s = s * quant_scale, scale = max|s| / D, y = cast(s / scale)
};

// Dequantize, SwiGLU, quantize in one pass. With g the parameter row of a row:
//
//   v = float(x + bias[g])                             int32 bias, wrapping
//   v = (v * weight_scale[g]) * activation_scale[row]  x int32
//   v = v + bias[g]                                    floating bias
//   act, lin = parts of v; s by swiglu_mode; y and scale by quant_mode
//
// group_index [G] has the number of rows of each group (not where it ends: kvant_counts_from_ends), and group i has
// parameter row i; [G, 2] has pairs of parameter row and number of rows. Groups follow one another from row 0; the
// codes and scales of rows past the last one are 0.
//
// KVANT_INVALID_TYPE: a dtype that is not listed. KVANT_INVALID_VALUE: an odd last dimension, KVANT_INT4, scales or a
// bias for an x that is not int32, quant_offset with KVANT_SCALE_DYNAMIC, attributes of the clamped modes that are not
// finite, not positive (clamp_limit) or changed for KVANT_SWIGLU_SWISH, another shape, results that overlap.
// KVANT_OUT_OF_RANGE: a negative number of rows, more rows than x has, a parameter row that there is not.
typedef struct kvant_dequant_swiglu_quant_args {
  size_t struct_size;
  const DLTensor* x;                 // int32 | bfloat16 | float16 | float32 [.., 2H]
  const DLTensor* weight_scale;      // optional, x int32: float32 [2H] | [1, 2H] | [P, 2H]
  const DLTensor* activation_scale;  // optional, x int32: float32, an element for each row in any shape
  const DLTensor* bias;              // optional, x int32: int32 | float32 | float16 | bfloat16, like weight_scale
  const DLTensor* quant_scale;   // optional, float32 | float16 | bfloat16 [H] | [1, H] | [P, H] | [1] | [P] | [P, 1]
  const DLTensor* quant_offset;  // optional, static: likewise
  const DLTensor* group_index;   // optional, int32 | int64 [G] | [G, 2]
  kvant_scale_source quant_mode;
  int32_t activate_left;  // 0 or 1: act is the first half
  kvant_format dst_type;  // not KVANT_INT4
  kvant_swiglu_mode swiglu_mode;
  double clamp_limit;  // these three by KVANT_DEQUANT_SWIGLU_QUANT_ARGS_INIT: 7, 1.702 and 1
  double glu_alpha;
  double glu_bias;
  const DLTensor* y;      // result: codes [.., H]
  const DLTensor* scale;  // result: float32 x.shape[:-1]
} kvant_dequant_swiglu_quant_args;
#define KVANT_DEQUANT_SWIGLU_QUANT_ARGS_INIT                                                                  \
  {                                                                                                           \
    sizeof(kvant_dequant_swiglu_quant_args), NULL, NULL, NULL, NULL, NULL, NULL, NULL, KVANT_SCALE_STATIC, 0, \
        KVANT_INT8, KVANT_SWIGLU_SWISH, 7.0, 1.702, 1.0, NULL, NULL                                           \
  }

KVANT_API kvant_status kvant_dequant_swiglu_quant(const kvant_dequant_swiglu_quant_args* args, const kvant_exec* exec);
KVANT_API kvant_status kvant_infer_dequant_swiglu_quant(const kvant_dequant_swiglu_quant_args* args,
                                                        kvant_tensor_spec* y, kvant_tensor_spec* scale);

// Row counts of groups from their cumulative end rows (as kvant_dynamic_quant takes them), and back. int32 | int64 [G].
//
// KVANT_OUT_OF_RANGE: negative numbers, ends that decrease, results that their dtype cannot hold.
typedef struct kvant_group_counts_args {
  size_t struct_size;
  const DLTensor* ends;    // kvant_ends_from_counts: the result
  const DLTensor* counts;  // kvant_counts_from_ends: the result
} kvant_group_counts_args;
#define KVANT_GROUP_COUNTS_ARGS_INIT \
  { sizeof(kvant_group_counts_args), NULL, NULL }

KVANT_API kvant_status kvant_counts_from_ends(const kvant_group_counts_args* args);
KVANT_API kvant_status kvant_ends_from_counts(const kvant_group_counts_args* args);

// NOLINTEND(modernize-use-using)

#ifdef __cplusplus
}
#endif

#endif  // KVANT_C_API_SWIGLU_H_
