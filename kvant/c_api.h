// kvant for C, and for everything that calls C: every operator over DLPack tensors, error codes instead of exceptions.
// This header includes the others of the C API: c_api_types.h, c_api_scatter.h for caches and
// c_api_swiglu.h for mixtures of experts.
//
//   float x[2][4] = {{0, 1, -2, 127}, {0, 3, 8, -254}}, scale[2];
//   int8_t y[2][4];
//   int64_t shape[2] = {2, 4};
//   DLTensor xt = {x, {kDLCPU, 0}, 2, {kDLFloat, 32, 1}, shape, NULL, 0};
//   DLTensor yt = {y, {kDLCPU, 0}, 2, {kDLInt, 8, 1}, shape, NULL, 0};
//   DLTensor st = {scale, {kDLCPU, 0}, 1, {kDLFloat, 32, 1}, shape, NULL, 0};
//
//   kvant_dynamic_quant_args args = KVANT_DYNAMIC_QUANT_ARGS_INIT;
//   args.x = &xt;
//   args.symmetric = 1;
//   args.y = &yt;
//   args.scale = &st;
//   if (kvant_dynamic_quant(&args, NULL) != KVANT_OK) fprintf(stderr, "%s\n", kvant_last_error());
//
// Results are tensors that the caller allocates; the kvant_infer_ functions say of which dtype and shape.
//
// Tensors. NULL is an absent argument. Types, all with lanes = 1: kDLFloat 16 and 32, kDLBfloat 16, kDLInt 8, 32 and
// 64, kDLUInt 8, kDLFloat8_e4m3fn, kDLFloat8_e5m2. INT4 is packed, two codes to a kDLUInt 8 or eight to a kDLInt 32;
// HIFLOAT8 is kDLUInt 8, and FP8 may be. Strides count elements, may be 0 or negative, and NULL means row-major;
// byte_offset counts. Elements lie at multiples of their size. Memory is the host's: kDLCPU, or pinned kDLCUDAHost and
// kDLROCMHost, once copies from and to it are complete. kDLCUDAManaged is refused like every other device: its pages
// may belong to a GPU at work. At most KVANT_MAX_NDIM dimensions. Descriptors are only read.
//
// Argument structs begin with their own size, which the _INIT macros set, and later versions append fields, with 0 as
// the default. A caller that is newer than the library gets KVANT_INVALID_VALUE if it sets a field that the library
// lacks.
//
// Errors. All checks come before the first write; messages name the operator, the argument and both values.
//
// Threads. Any number may call at once. Results have the same bits for every target, thread count and memory layout.
#ifndef KVANT_C_API_H_
#define KVANT_C_API_H_

#include "kvant/c_api_scatter.h"
#include "kvant/c_api_swiglu.h"
#include "kvant/c_api_types.h"

#ifdef __cplusplus
extern "C" {
#endif

// NOLINTBEGIN(modernize-use-using): this is C

// Dynamic quantization: scale (and offset) measured from the data, then codes.
//
// With x' = x * smooth, D as kvant_format says, R = 2 D + 1 for integers, 2 D for the others, H = x.shape[-1],
// K = x.shape[-2]:
//
//   symmetric    scale = max|x'| / D                          y = cast(x' / scale)
//   asymmetric   scale = max((max x' - min x') / R, 1e-12)    offset = D - max x' / scale
//                                                             y = cast(x' / scale + offset)
//
// Reconstruct with (y - offset) * scale; the offset is not rounded to an integer. Arithmetic is fp32, each operation
// rounded to nearest even; casts to codes saturate. A symmetric scale of 0 makes every code 0x00. group_index holds
// cumulative end rows: row r has the smooth scales of the first i with group_index[i] > r; the last is the number of
// rows.
//
// KVANT_INVALID_TYPE: a dtype that is not listed. KVANT_INVALID_VALUE: a shape that does not follow from x, an odd H
// for INT4, a group_size that does not divide H, results that overlap themselves, one another or an input.
// KVANT_OUT_OF_RANGE: group_index decreasing, negative, or not ending at the number of rows. KVANT_OUT_OF_MEMORY: no
// memory for scratch.
typedef struct kvant_dynamic_quant_args {
  size_t struct_size;
  const DLTensor* x;              // float16 | bfloat16 | float32, rank >= 1, any strides; H = x.shape[-1]
  const DLTensor* smooth_scales;  // optional, float16 | bfloat16 | float32: [H]; with groups [E, H]; per channel [K]
  const DLTensor* group_index;    // optional, int32 | int64 [E]; needs smooth_scales; not per channel
  kvant_format dst_type;
  int32_t symmetric;  // 0 or 1
  kvant_quant_mode quant_mode;
  int64_t group_size;      // per token, INT8 and INT4: elements per scale, a divisor of H; 0: the whole row
  double dst_type_max;     // HIFLOAT8: D, 1e-6 to 32768; 0, or less than 1e-6, means 32768
  const DLTensor* y;       // result: codes, x.shape; INT4 as uint8 [..., H/2] or int32 [..., H/8]
  const DLTensor* scale;   // result: float32, shape by quant_mode
  const DLTensor* offset;  // result: float32, shape of scale; NULL when symmetric
} kvant_dynamic_quant_args;
#define KVANT_DYNAMIC_QUANT_ARGS_INIT \
  { sizeof(kvant_dynamic_quant_args), NULL, NULL, NULL, KVANT_INT8, 0, KVANT_PER_TOKEN, 0, 0.0, NULL, NULL, NULL }

KVANT_API kvant_status kvant_dynamic_quant(const kvant_dynamic_quant_args* args, const kvant_exec* exec);

// dtype and shape of y, scale and offset, INT4 as bytes; any may be NULL. Reads no result field and no element, and
// fails like kvant_dynamic_quant on the rest. So do the other kvant_infer_ functions.
KVANT_API kvant_status kvant_infer_dynamic_quant(const kvant_dynamic_quant_args* args, kvant_tensor_spec* y,
                                                 kvant_tensor_spec* scale, kvant_tensor_spec* offset);

// The parts of dynamic quantization, for callers that reduce across machines in between.
//
// Smallest and largest x', or largest |x'|; -0 orders below +0. A NaN makes the results NaN. Of no elements: +inf and
// -inf, or 0. Fails like kvant_dynamic_quant.
typedef struct kvant_row_stats_args {
  size_t struct_size;
  const DLTensor* x;  // these five as in kvant_dynamic_quant_args
  const DLTensor* smooth_scales;
  const DLTensor* group_index;
  kvant_quant_mode quant_mode;
  int64_t group_size;
  const DLTensor* min;   // result of kvant_row_minmax: float32, shape of kvant_dynamic_quant's scale
  const DLTensor* max;   // result of kvant_row_minmax
  const DLTensor* amax;  // result of kvant_row_amax
} kvant_row_stats_args;
#define KVANT_ROW_STATS_ARGS_INIT \
  { sizeof(kvant_row_stats_args), NULL, NULL, NULL, KVANT_PER_TOKEN, 0, NULL, NULL, NULL }

KVANT_API kvant_status kvant_row_minmax(const kvant_row_stats_args* args, const kvant_exec* exec);
KVANT_API kvant_status kvant_row_amax(const kvant_row_stats_args* args, const kvant_exec* exec);
KVANT_API kvant_status kvant_infer_row_stats(const kvant_row_stats_args* args, kvant_tensor_spec* result);

// scale = amax / D. Both float32, one shape, any strides; scale may be amax itself.
typedef struct kvant_params_from_amax_args {
  size_t struct_size;
  const DLTensor* amax;
  kvant_format dst_type;
  double dst_type_max;
  const DLTensor* scale;  // result
} kvant_params_from_amax_args;
#define KVANT_PARAMS_FROM_AMAX_ARGS_INIT \
  { sizeof(kvant_params_from_amax_args), NULL, KVANT_INT8, 0.0, NULL }

KVANT_API kvant_status kvant_params_from_amax(const kvant_params_from_amax_args* args);

// scale = max((max - min) / R, 1e-12); offset = D - max / scale; min = +inf with max = -inf counts as the single value
// 0. All float32, one shape, any strides; scale and offset may be min and max themselves.
typedef struct kvant_params_from_minmax_args {
  size_t struct_size;
  const DLTensor* min;
  const DLTensor* max;
  kvant_format dst_type;
  double dst_type_max;
  const DLTensor* scale;   // result
  const DLTensor* offset;  // result
} kvant_params_from_minmax_args;
#define KVANT_PARAMS_FROM_MINMAX_ARGS_INIT \
  { sizeof(kvant_params_from_minmax_args), NULL, NULL, KVANT_INT8, 0.0, NULL, NULL }

KVANT_API kvant_status kvant_params_from_minmax(const kvant_params_from_minmax_args* args);

// y = cast(x' / scale + offset), without offset y = cast(x' / scale), where a scale of 0 makes every code 0x00. With
// the scale and offset of kvant_dynamic_quant these are its codes. Fails like kvant_dynamic_quant.
typedef struct kvant_quantize_with_params_args {
  size_t struct_size;
  const DLTensor* x;
  const DLTensor* scale;   // float32, shape by quant_mode
  const DLTensor* offset;  // float32, shape of scale; NULL: symmetric
  const DLTensor* smooth_scales;
  const DLTensor* group_index;
  kvant_format dst_type;
  kvant_quant_mode quant_mode;
  int64_t group_size;
  const DLTensor* y;  // result
} kvant_quantize_with_params_args;
#define KVANT_QUANTIZE_WITH_PARAMS_ARGS_INIT \
  { sizeof(kvant_quantize_with_params_args), NULL, NULL, NULL, NULL, NULL, KVANT_INT8, KVANT_PER_TOKEN, 0, NULL }

KVANT_API kvant_status kvant_quantize_with_params(const kvant_quantize_with_params_args* args, const kvant_exec* exec);
KVANT_API kvant_status kvant_infer_quantize_with_params(const kvant_quantize_with_params_args* args,
                                                        kvant_tensor_spec* y);

// Static quantization, per tensor or per channel.
//
// y = cast(x / scale[k] + zero_point[k]), with reciprocal_scale y = cast(x * scale[k] + zero_point[k]), k along `axis`.
// IEEE rules: x / 0 saturates, 0 / 0 is NaN, whose integer code is 0. Fractions of zero points count.
//
// KVANT_INVALID_TYPE: a dtype that is not listed. KVANT_INVALID_VALUE: a number of scales that is neither 1 nor
// x.shape[axis], axis outside x, a round_mode that dst_type does not have, an odd H for INT4, y overlapping an input.
typedef struct kvant_quantize_args {
  size_t struct_size;
  const DLTensor* x;                  // float16 | bfloat16 | float32, rank >= 1, any strides
  const DLTensor* quant_scales;       // float32 | bfloat16 | float16: x.shape[axis] elements in any shape, or one
  const DLTensor* quant_zero_points;  // optional, int32 | float32 | bfloat16 | float16: likewise
  kvant_format dst_type;
  int32_t axis;                 // KVANT_QUANTIZE_ARGS_INIT sets -1, the last dimension
  int32_t reciprocal_scale;     // 0 or 1
  kvant_round_mode round_mode;  // other than KVANT_ROUND_RINT with HIFLOAT8 only
  const DLTensor* y;            // result: as in kvant_dynamic_quant_args
} kvant_quantize_args;
#define KVANT_QUANTIZE_ARGS_INIT \
  { sizeof(kvant_quantize_args), NULL, NULL, NULL, KVANT_INT8, -1, 0, KVANT_ROUND_RINT, NULL }

KVANT_API kvant_status kvant_quantize(const kvant_quantize_args* args, const kvant_exec* exec);
KVANT_API kvant_status kvant_infer_quantize(const kvant_quantize_args* args, kvant_tensor_spec* y);

// Codes back to real numbers.
//
// x = (y - offset) * scale, without offset y * scale, in fp32, then one rounding to the dtype of x. Fails like
// kvant_dynamic_quant.
typedef struct kvant_dequantize_args {
  size_t struct_size;
  const DLTensor* y;       // codes, as kvant_dynamic_quant writes them
  const DLTensor* scale;   // float32 | float16 | bfloat16, shape by quant_mode
  const DLTensor* offset;  // optional, dtype and shape of scale
  kvant_format dst_type;   // the format of the codes
  kvant_quant_mode quant_mode;
  int64_t group_size;
  int32_t negate_offset;  // 1: the tensor holds minus the offset
  const DLTensor* x;      // result: float32 | float16 | bfloat16, logical shape of y
} kvant_dequantize_args;
#define KVANT_DEQUANTIZE_ARGS_INIT \
  { sizeof(kvant_dequantize_args), NULL, NULL, NULL, KVANT_INT8, KVANT_PER_TOKEN, 0, 0, NULL }

KVANT_API kvant_status kvant_dequantize(const kvant_dequantize_args* args, const kvant_exec* exec);
// `dtype` is the one that x is to have.
KVANT_API kvant_status kvant_infer_dequantize(const kvant_dequantize_args* args, DLDataType dtype,
                                              kvant_tensor_spec* x);

// INT4 codes from one a byte to packed, and back. The packed dimension is contiguous.
//
// KVANT_INVALID_TYPE: a dtype that is not listed. KVANT_INVALID_VALUE: an H that does not fill whole elements, shapes
// that do not match, a result that overlaps itself or the input.
typedef struct kvant_pack_int4_args {
  size_t struct_size;
  const DLTensor* codes;   // int8 [..., H], -8..7 (of other values the low four bits are kept), H even
  const DLTensor* packed;  // result: uint8 [..., H/2] or int32 [..., H/8]
} kvant_pack_int4_args;
#define KVANT_PACK_INT4_ARGS_INIT \
  { sizeof(kvant_pack_int4_args), NULL, NULL }

typedef struct kvant_unpack_int4_args {
  size_t struct_size;
  const DLTensor* packed;  // uint8 [..., H/2] or int32 [..., H/8]
  const DLTensor* codes;   // result: int8 [..., H]
} kvant_unpack_int4_args;
#define KVANT_UNPACK_INT4_ARGS_INIT \
  { sizeof(kvant_unpack_int4_args), NULL, NULL }

KVANT_API kvant_status kvant_pack_int4(const kvant_pack_int4_args* args, const kvant_exec* exec);
// `storage` is the dtype that `packed` is to have.
KVANT_API kvant_status kvant_infer_pack_int4(const kvant_pack_int4_args* args, DLDataType storage,
                                             kvant_tensor_spec* packed);
KVANT_API kvant_status kvant_unpack_int4(const kvant_unpack_int4_args* args, const kvant_exec* exec);
KVANT_API kvant_status kvant_infer_unpack_int4(const kvant_unpack_int4_args* args, kvant_tensor_spec* codes);

// Why the last call of this thread that failed did; "" if none has. Valid until another one fails.
KVANT_API const char* kvant_last_error(void);

// "0.1.0"
KVANT_API const char* kvant_version(void);

// The instruction sets that this build has and this CPU can run, by name, best first, then NULL; "scalar" is the last.
KVANT_API const char* const* kvant_supported_targets(void);

// The one in use: the best, or what kvant_set_target or the environment variable KVANT_TARGET chose. NULL if that
// variable names something that this build or CPU does not have; then every operator that computes fails with
// KVANT_UNAVAILABLE.
KVANT_API const char* kvant_active_target(void);

// Chooses one for all later calls of the process; "auto" undoes it. KVANT_UNAVAILABLE: the name is not supported.
KVANT_API kvant_status kvant_set_target(const char* name);

// NOLINTEND(modernize-use-using)

#ifdef __cplusplus
}
#endif

#endif  // KVANT_C_API_H_
