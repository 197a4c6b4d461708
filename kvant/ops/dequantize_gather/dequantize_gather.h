// Reads rows of a quantized cache back, by index.
#ifndef KVANT_OPS_DEQUANTIZE_GATHER_DEQUANTIZE_GATHER_H_
#define KVANT_OPS_DEQUANTIZE_GATHER_DEQUANTIZE_GATHER_H_

#include <optional>

#include "kvant/core/exec.h"
#include "kvant/core/index_mode.h"
#include "kvant/core/status.h"
#include "kvant/core/tensor.h"
#include "kvant/formats/format.h"

namespace kvant {

// The places of IndexMode read instead of written, 0 <= t < length, and dequantized as by dequantize:
//   kBatch  x[i, .., t, ..] = value(var[i, .., indices[i] + t, ..])
//   kPair   x[i, .., t, ..] = value(var[indices[i, 0], .., indices[i, 1] + t, ..])
//   kSlot   x[i, ..] = value(var[s / P, .., s % P, ..]), s = indices[i], P = var.shape[a]; length is 1
// value(q) = RN_dst(RN(RN(q - offset) * scale)). What is padding, or skipped under kSkip, reads as 0.
struct DequantizeGatherArgs {
  ConstTensorView var;         // codes of any format, rank >= 3, any strides: [.., H]; INT4 uint8 [.., H/2] or int32
                               // [.., H/8], its last dimension contiguous
  ConstTensorView var_scale;   // float32 | float16 | bfloat16: var.shape[:-1], with a group_size + [H / group_size];
                               // also the other shapes of tables that dynamic_quant_update_scatter_ takes
  ConstTensorView var_offset;  // optional, dtype and shape of var_scale
  ConstTensorView indices;     // int32 | int64: [n], kPair [n, 2], any strides

  Format dst_type = Format::kInt8;      // the format of the codes
  int64_t length = 1;                   // positions to read along the axis from each index on
  int64_t group_size = 0;               // INT8 and INT4: elements per scale; 0: the whole row
  bool negate_offset = false;           // var_offset holds minus the offset
  int axis = -2;                        // of var; neither its first dimension nor its last; negative: from the end
  std::optional<IndexMode> index_mode;  // has to be given
  IndexPolicy index_policy = IndexPolicy::kError;

  TensorView x;  // float32 | float16 | bfloat16, any strides. kBatch, kPair: var's logical shape with n at dimension 0
                 // and length at the axis; kSlot: without the axis
};

// The shape of x; its dtype is `dtype`. Fails like DequantizeGather on bad inputs, values of indices aside.
Status InferDequantizeGather(const DequantizeGatherArgs& args, DType dtype, TensorSpec* x);

// Fails, before anything is written, with
//   kInvalidType   a dtype that is not listed above, or one that does not hold codes of dst_type
//   kInvalidValue  no index_mode, an illegal axis or length, shapes that do not agree, negate_offset without an offset,
//                  an x that overlaps itself or an input
//   kOutOfRange    under kError: an index that is neither legal nor padding; names the first one
//   kUnavailable   KVANT_TARGET names a target that there is not (core/target.h)
Status DequantizeGather(const DequantizeGatherArgs& args, const ExecOptions& exec = {});

}  // namespace kvant

#endif  // KVANT_OPS_DEQUANTIZE_GATHER_DEQUANTIZE_GATHER_H_
