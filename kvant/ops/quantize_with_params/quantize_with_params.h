// The encoding half of dynamic quantization: scales and offsets are given.
#ifndef KVANT_OPS_QUANTIZE_WITH_PARAMS_QUANTIZE_WITH_PARAMS_H_
#define KVANT_OPS_QUANTIZE_WITH_PARAMS_QUANTIZE_WITH_PARAMS_H_

#include "kvant/core/exec.h"
#include "kvant/core/status.h"
#include "kvant/core/tensor.h"
#include "kvant/formats/format.h"
#include "kvant/rowwise/quant_mode.h"

namespace kvant {

// y = cast(x' / scale + offset), without offset y = cast(x' / scale), and a scale of 0 makes every code 0x00. With the
// scale and offset of dynamic_quant these are its codes. The arguments have the meaning they have in DynamicQuantArgs.
struct QuantizeWithParamsArgs {
  ConstTensorView x;              // float16 | bfloat16 | float32
  ConstTensorView scale;          // float32, the shape dynamic_quant gives
  ConstTensorView offset;         // float32, optional (absent: symmetric), shape of scale
  ConstTensorView smooth_scales;  // optional
  ConstTensorView group_index;    // optional
  Format dst_type = Format::kInt8;
  QuantMode quant_mode = QuantMode::kPerToken;
  int64_t group_size = 0;
  TensorView y;
};

// What y must look like; INT4 as bytes. Fails like QuantizeWithParams on bad inputs and attributes.
Status InferQuantizeWithParams(const QuantizeWithParamsArgs& args, TensorSpec* y);

// Fails, before anything is written, with
//   kInvalidType   a dtype that is not listed above
//   kInvalidValue  a scale, offset or y of another shape, an odd H for INT4, a group_size that does not divide H, a y
//                  that overlaps itself or an input
//   kOutOfRange    group_index decreasing, negative, or not ending at the number of rows
//   kUnavailable   KVANT_TARGET names a target that there is not (core/target.h)
Status QuantizeWithParams(const QuantizeWithParamsArgs& args, const ExecOptions& exec = {});

}  // namespace kvant

#endif  // KVANT_OPS_QUANTIZE_WITH_PARAMS_QUANTIZE_WITH_PARAMS_H_
