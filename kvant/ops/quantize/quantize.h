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
  ConstTensorView x;            // float16 | bfloat16 | float32, rank >= 1, any strides
  ConstTensorView scales;       // float32 | bfloat16 | float16: x.shape[axis] elements in any shape, or one
  ConstTensorView zero_points;  // optional, int32 | float32 | bfloat16 | float16, as many as scales or one; fractions count
  Format dst_type = Format::kInt8;
  int axis = -1;
  bool reciprocal_scale = false;
  RoundMode round_mode = RoundMode::kRint;  // kRound and kHybrid with HIFLOAT8 only
  TensorView y;                             // as DynamicQuantArgs::y
};

Status InferQuantize(const QuantizeArgs& args, TensorSpec* y);
Status Quantize(const QuantizeArgs& args, const ExecOptions& exec = {});

}  // namespace kvant

#endif  // KVANT_OPS_QUANTIZE_QUANTIZE_H_
