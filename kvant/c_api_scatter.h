// The part of the C API that fills and reads caches by index. c_api.h includes it and says what holds for all parts.
#ifndef KVANT_C_API_SCATTER_H_
#define KVANT_C_API_SCATTER_H_

#include "kvant/c_api_types.h"

#ifdef __cplusplus
extern "C" {
#endif

// NOLINTBEGIN(modernize-use-using): this is C

// Writes updates to the places of self that indices name (kvant_index_mode), as bytes; the rest of self stays.
//
// kvant_scatter_update_in_place writes into self. kvant_scatter_update leaves self alone and writes all of it, with the
// updates in it, to out.
//
// KVANT_INVALID_TYPE: indices of another dtype, updates or out of another dtype than self. KVANT_INVALID_VALUE: no
// index_mode, axis 0 or outside self, shapes that do not agree, more updates or positions than self has, an out where
// none belongs, a result that overlaps itself or an input. KVANT_OUT_OF_RANGE: with KVANT_INDEX_ERROR an index that is
// neither legal nor padding; the message has the first one.
typedef struct kvant_scatter_update_args {
  size_t struct_size;
  const DLTensor* self;     // rank >= 2; in place: a result
  const DLTensor* indices;  // int32 | int64: [n], for pairs [n, 2]
  const DLTensor* updates;  // dtype of self. Shape of self with n at dimension 0 and at most self.shape[axis] at axis;
                            // for slots without dimension axis
  int32_t axis;             // of self; not 0; KVANT_SCATTER_UPDATE_ARGS_INIT sets -2
  kvant_index_mode index_mode;  // has to be given
  kvant_index_policy index_policy;
  const DLTensor* out;  // result: dtype and shape of self; in place: NULL
} kvant_scatter_update_args;
#define KVANT_SCATTER_UPDATE_ARGS_INIT \
  { sizeof(kvant_scatter_update_args), NULL, NULL, NULL, -2, KVANT_INDEX_NOT_GIVEN, KVANT_INDEX_ERROR, NULL }

KVANT_API kvant_status kvant_scatter_update(const kvant_scatter_update_args* args, const kvant_exec* exec);
KVANT_API kvant_status kvant_scatter_update_in_place(const kvant_scatter_update_args* args, const kvant_exec* exec);
// Reads no element, as all kvant_infer_ functions: indices may have any values.
KVANT_API kvant_status kvant_infer_scatter_update(const kvant_scatter_update_args* args, kvant_tensor_spec* out);

// Static quantization of updates on their way: kvant_quantize along the last dimension, then kvant_scatter_update.
//
// codes = cast(updates / scale[k] + zero_point[k]), with reciprocal_scale cast(updates * scale[k] + zero_point[k]).
//
// Fails like these two. KVANT_INVALID_VALUE: also INT4, an axis that is self's first or last dimension, a quant_axis
// that is not the last of updates.
typedef struct kvant_quant_scatter_args {
  size_t struct_size;
  const DLTensor* self;               // codes of dst_type, rank >= 3; in place: a result
  const DLTensor* indices;            // as in kvant_scatter_update_args
  const DLTensor* updates;            // float16 | bfloat16 | float32, shape as in kvant_scatter_update_args
  const DLTensor* quant_scales;       // float32 | bfloat16 | float16: H elements in any shape, or one
  const DLTensor* quant_zero_points;  // optional, int32 | float32 | bfloat16 | float16: likewise
  kvant_format dst_type;              // not KVANT_INT4
  int32_t axis;                       // of self; KVANT_QUANT_SCATTER_ARGS_INIT sets -2
  int32_t quant_axis;                 // of updates; the last, as -1, which KVANT_QUANT_SCATTER_ARGS_INIT sets
  int32_t reciprocal_scale;           // 0 or 1
  kvant_round_mode round_mode;        // other than KVANT_ROUND_RINT with HIFLOAT8 only
  kvant_index_mode index_mode;        // has to be given
  kvant_index_policy index_policy;
  const DLTensor* out;  // result: dtype and shape of self; in place: NULL
} kvant_quant_scatter_args;
#define KVANT_QUANT_SCATTER_ARGS_INIT                                                                        \
  {                                                                                                          \
    sizeof(kvant_quant_scatter_args), NULL, NULL, NULL, NULL, NULL, KVANT_INT8, -2, -1, 0, KVANT_ROUND_RINT, \
        KVANT_INDEX_NOT_GIVEN, KVANT_INDEX_ERROR, NULL                                                       \
  }

KVANT_API kvant_status kvant_quant_scatter(const kvant_quant_scatter_args* args, const kvant_exec* exec);
KVANT_API kvant_status kvant_quant_scatter_in_place(const kvant_quant_scatter_args* args, const kvant_exec* exec);
KVANT_API kvant_status kvant_infer_quant_scatter(const kvant_quant_scatter_args* args, kvant_tensor_spec* out);

// A second cache. This struct does not change.
typedef struct kvant_cache_update {
  const DLTensor* updates;
  const DLTensor* var;
  const DLTensor* var_scale;
  const DLTensor* var_offset;
} kvant_cache_update;

// Dynamic quantization into a cache: the codes, scales and offsets of kvant_dynamic_quant per token, each scattered to
// its own table, in one pass.
//
// In a 16-bit table scale and offset are rounded to its finite numbers, the scale to at least the smallest normal one;
// the offset and the codes follow from the rounded ones. All tables change for an update, or none does. Also taken:
// updates [B, 1, H] for var [B, S, 1, H] with indices [B], and tables [B, S].
//
// Fails like kvant_dynamic_quant and kvant_scatter_update. KVANT_INVALID_TYPE: also codes that are neither INT8 nor
// INT4. KVANT_INVALID_VALUE: also an axis that is var's first or last dimension, caches of different places.
typedef struct kvant_dynamic_quant_update_scatter_args {
  size_t struct_size;
  const DLTensor* updates;        // float16 | bfloat16 | float32, shape as in kvant_scatter_update_args, [.., H]
  const DLTensor* var;            // result: codes, rank >= 3: int8 [.., H]; INT4 uint8 [.., H/2] or int32 [.., H/8]
  const DLTensor* var_scale;      // result: float32 | float16 | bfloat16, var.shape[:-1], with group_size g also [H/g];
                                  // symmetric also var.shape[:-1] + [1]
  const DLTensor* var_offset;     // result: dtype (bfloat16 with INT4 only) and shape of var_scale; NULL when symmetric
  kvant_cache_update second;      // optional, all NULL: another cache with the same places, as K and V have
  const DLTensor* indices;        // as in kvant_scatter_update_args
  const DLTensor* smooth_scales;  // optional, float16 | bfloat16 | float32 [H]; for both caches
  kvant_format dst_type;          // KVANT_INT8 | KVANT_INT4
  int32_t symmetric;              // 0 or 1
  int32_t negate_offset;          // 1: tables hold minus the offset, for readers that add it
  int32_t axis;                   // of var; KVANT_DYNAMIC_QUANT_UPDATE_SCATTER_ARGS_INIT sets -2
  kvant_index_mode index_mode;    // has to be given
  kvant_index_policy index_policy;
  int64_t group_size;  // elements per scale, a divisor of H; 0: the whole row
} kvant_dynamic_quant_update_scatter_args;
#define KVANT_DYNAMIC_QUANT_UPDATE_SCATTER_ARGS_INIT                                                               \
  {                                                                                                                \
    sizeof(kvant_dynamic_quant_update_scatter_args), NULL, NULL, NULL, NULL, {NULL, NULL, NULL, NULL}, NULL, NULL, \
        KVANT_INT8, 0, 0, -2, KVANT_INDEX_NOT_GIVEN, KVANT_INDEX_ERROR, 0                                          \
  }

// In place: there are no results to infer.
KVANT_API kvant_status kvant_dynamic_quant_update_scatter(const kvant_dynamic_quant_update_scatter_args* args,
                                                          const kvant_exec* exec);

// Reads such a cache as kvant_dequantize does, at the places of kvant_index_mode, 0 <= t < length:
//
//   batch  x[i, .., t, ..] = value(var[i, .., indices[i] + t, ..])
//   pair   x[i, .., t, ..] = value(var[indices[i, 0], .., indices[i, 1] + t, ..])
//   slot   x[i, ..] = value(var[s / P, .., s % P, ..]), s = indices[i], P = var.shape[axis]
//
// What is padding, or skipped, reads as 0. Fails like kvant_dequantize and kvant_scatter_update.
typedef struct kvant_dequantize_gather_args {
  size_t struct_size;
  const DLTensor* var;          // codes of any format, rank >= 3, as kvant_dynamic_quant writes them
  const DLTensor* var_scale;    // float32 | float16 | bfloat16, var.shape[:-1], with group_size g also [H/g]
  const DLTensor* var_offset;   // optional, dtype and shape of var_scale
  const DLTensor* indices;      // int32 | int64: [n], for pairs [n, 2]
  kvant_format dst_type;        // the format of the codes
  int32_t negate_offset;        // 1: var_offset holds minus the offset
  int32_t axis;                 // of var; KVANT_DEQUANTIZE_GATHER_ARGS_INIT sets -2
  kvant_index_mode index_mode;  // has to be given
  kvant_index_policy index_policy;
  int64_t length;      // KVANT_DEQUANTIZE_GATHER_ARGS_INIT sets 1, the only one for slots
  int64_t group_size;  // INT8 and INT4: elements per scale; 0: the whole row
  const DLTensor* x;   // result: float32 | float16 | bfloat16, var's logical shape with n at dimension 0 and length at
                       // axis; for slots without dimension axis
} kvant_dequantize_gather_args;
#define KVANT_DEQUANTIZE_GATHER_ARGS_INIT                                                                   \
  {                                                                                                         \
    sizeof(kvant_dequantize_gather_args), NULL, NULL, NULL, NULL, KVANT_INT8, 0, -2, KVANT_INDEX_NOT_GIVEN, \
        KVANT_INDEX_ERROR, 1, 0, NULL                                                                       \
  }

KVANT_API kvant_status kvant_dequantize_gather(const kvant_dequantize_gather_args* args, const kvant_exec* exec);
// `dtype` is the one that x is to have.
KVANT_API kvant_status kvant_infer_dequantize_gather(const kvant_dequantize_gather_args* args, DLDataType dtype,
                                                     kvant_tensor_spec* x);

// NOLINTEND(modernize-use-using)

#ifdef __cplusplus
}
#endif

#endif  // KVANT_C_API_SCATTER_H_
