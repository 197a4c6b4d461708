// Scales and offsets from statistics: the middle of dynamic quantization, element by element.
#ifndef KVANT_OPS_PARAMS_PARAMS_H_
#define KVANT_OPS_PARAMS_PARAMS_H_

#include "kvant/core/exec.h"
#include "kvant/core/status.h"
#include "kvant/core/tensor.h"
#include "kvant/formats/format.h"

namespace kvant {

// Both fail, before anything is written, with
//   kInvalidType   a dtype other than float32
//   kInvalidValue  shapes that differ, a dst_type_max outside 0..32768 or for another format than HIFLOAT8, results
//                  that overlap themselves, one another or a statistic other than as a whole

// scale = amax / D. All tensors float32, one shape, any strides; scale may be amax itself.
struct ParamsFromAmaxArgs {
  ConstTensorView amax;
  Format dst_type = Format::kInt8;
  double dst_type_max = 0;  // that of DynamicQuantArgs
  TensorView scale;
};
// `exec` changes nothing: there is one value for each row, and the caller's thread makes them.
Status ParamsFromAmax(const ParamsFromAmaxArgs& args, const ExecOptions& exec = {});

// scale = max((max - min) / R, 1e-12); offset = D - max / scale. min = +inf with max = -inf (no elements) counts as the
// single value 0. All tensors float32, one shape, any strides; scale and offset may be min and max themselves.
struct ParamsFromMinMaxArgs {
  ConstTensorView min;
  ConstTensorView max;
  Format dst_type = Format::kInt8;
  double dst_type_max = 0;  // that of DynamicQuantArgs
  TensorView scale;
  TensorView offset;
};
Status ParamsFromMinMax(const ParamsFromMinMaxArgs& args, const ExecOptions& exec = {});

}  // namespace kvant

#endif  // KVANT_OPS_PARAMS_PARAMS_H_
