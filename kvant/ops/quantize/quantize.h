// Static quantization with given scales and zero points, per tensor or per channel.
#ifndef KVANT_OPS_QUANTIZE_QUANTIZE_H_
#define KVANT_OPS_QUANTIZE_QUANTIZE_H_

#include "kvant/core/exec.h"
#include "kvant/core/status.h"
#include "kvant/core/tensor.h"
#include "kvant/formats/format.h"

namespace kvant {

// y = cast(x / scale[k] + zero_point[k]), with reciprocal_scale y = cast(x * scale[k] + zero_point[k]); k runs along
// `axis`. IEEE rules: x / 0 saturates, 0 / 0 is NaN, whose integer code is 0.
struct QuantizeArgs {
  ConstTensorView x;                  // float16 | bfloat16 | float32, rank >= 1, any strides
  ConstTensorView quant_scales;       // float16 | bfloat16 | float32: x.shape[axis] elements in any shape, or one
  ConstTensorView quant_zero_points;  // optional, int32 | float16 | bfloat16 | float32: likewise; fractions count
  Format dst_type = Format::kInt8;
  int axis = -1;  // negative: from the end
  bool reciprocal_scale = false;
  RoundMode round_mode = RoundMode::kRint;  // kRound and kHybrid with HIFLOAT8 only
  TensorView y;  // codes: x.shape, any strides; INT4 packs the last dimension into uint8 [..., H/2] or int32 [..., H/8]
};

// What y must look like; INT4 as bytes. Fails like Quantize on bad inputs and attributes.
Status InferQuantize(const QuantizeArgs& args, TensorSpec* y);

// Fails, before anything is written, with
//   kInvalidType   a dtype that is not listed above
//   kInvalidValue  an axis that x does not have, quant_scales or quant_zero_points of another size, a round_mode that
//                  dst_type does not have, an odd H for INT4, a y of another shape, or one that overlaps itself or an
//                  input
//   kUnavailable   KVANT_TARGET names a target that there is not (core/target.h)
Status Quantize(const QuantizeArgs& args, const ExecOptions& exec = {});

}  // namespace kvant

#endif  // KVANT_OPS_QUANTIZE_QUANTIZE_H_
