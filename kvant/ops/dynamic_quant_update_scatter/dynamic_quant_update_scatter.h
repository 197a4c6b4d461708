// Quantizes rows and writes codes, scales and offsets into a cache, in one pass.
#ifndef KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_DYNAMIC_QUANT_UPDATE_SCATTER_H_
#define KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_DYNAMIC_QUANT_UPDATE_SCATTER_H_

#include <optional>

#include "kvant/core/exec.h"
#include "kvant/core/index_mode.h"
#include "kvant/core/status.h"
#include "kvant/core/tensor.h"
#include "kvant/formats/format.h"

namespace kvant {

// A quantized cache and what is written to it. With H the number of elements of a row:
struct CacheUpdate {
  ConstTensorView updates;  // float16 | bfloat16 | float32, any strides; shaped as IndexMode says for the cache
  TensorView var;           // codes, rank >= 3, any strides: int8 [.., H]; INT4 uint8 [.., H/2] or int32 [.., H/8], its
                            // last dimension contiguous
  TensorView var_scale;     // float32 | float16 | bfloat16: var.shape[:-1], with a group_size + [H / group_size];
                            // symmetric also var.shape[:-1] + [1]
  TensorView var_offset;    // dtype of var_scale (bfloat16: INT4 only) and shape; absent when symmetric
};

// For every row x of updates (its last dimension, or group_size elements of it), with D and R of dst_type:
//
//   symmetric    scale = max|x'| / D                          q = cast(x' / scale)
//   asymmetric   scale = max((max x' - min x') / R, 1e-12)    offset = D - max x' / scale
//                                                             q = cast(x' / scale + offset)
//
// x' = x * smooth. q, scale and offset are written to the places that indices name along `axis` (IndexMode has the
// definition), each to its own table: what dynamic_quant and three times scatter_update would give, bit by bit. In a
// 16-bit table scale and offset are rounded to its finite numbers (the scale to at least the smallest normal one); the
// offset and the codes follow from the rounded ones.
//
// Also taken: updates [B, 1, H] for var [B, S, 1, H] with indices [B], axis 1, and tables of shape [B, S].
struct DynamicQuantUpdateScatterArgs : CacheUpdate {
  CacheUpdate second;             // optional: a second cache of the same geometry, K and V in one call
  ConstTensorView indices;        // int32 | int64: [n], kPair [n, 2], any strides
  ConstTensorView smooth_scales;  // optional, float16 | bfloat16 | float32 [H]; for both

  Format dst_type = Format::kInt8;  // kInt8 | kInt4
  bool symmetric = false;
  bool negate_offset = false;           // tables hold -offset, for readers that add it; asymmetric only
  int64_t group_size = 0;               // elements per scale, a divisor of H; 0: the whole row
  int axis = -2;                        // of var; neither its first dimension nor its last; negative: from the end
  std::optional<IndexMode> index_mode;  // has to be given
  IndexPolicy index_policy = IndexPolicy::kError;
};

// Fails, before anything is written, with
//   kInvalidType   a dtype or dst_type that is not listed above
//   kInvalidValue  no index_mode, an illegal axis, shapes that do not agree, an odd row for INT4, a group_size that
//                  does not divide H, tables that overlap themselves, one another or an input
//   kOutOfRange    under kError: an index that is neither legal nor padding; names the first one
//   kUnavailable   KVANT_TARGET names a target that there is not (core/target.h)
// Under kSkip such an update is skipped in all tables. Of two updates of one place the one with the higher i wins.
Status DynamicQuantUpdateScatter(const DynamicQuantUpdateScatterArgs& args, const ExecOptions& exec = {});

}  // namespace kvant

#endif  // KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_DYNAMIC_QUANT_UPDATE_SCATTER_H_
