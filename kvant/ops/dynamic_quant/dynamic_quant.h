// Dynamic quantization: scale (and offset) measured from the data, then codes, in one pass.
#ifndef KVANT_OPS_DYNAMIC_QUANT_DYNAMIC_QUANT_H_
#define KVANT_OPS_DYNAMIC_QUANT_DYNAMIC_QUANT_H_

#include "kvant/core/exec.h"
#include "kvant/core/status.h"
#include "kvant/core/tensor.h"
#include "kvant/formats/format.h"
#include "kvant/rowwise/quant_mode.h"

namespace kvant {

// With x' = x * smooth, D = Info(dst_type).d (HIFLOAT8: dst_type_max), R = RangeFor(dst_type, D):
//
//   symmetric    scale = max|x'| / D                          y = cast(x' / scale)
//   asymmetric   scale = max((max x' - min x') / R, 1e-12)    offset = D - max x' / scale
//                                                             y = cast(x' / scale + offset)
//
// Reconstruct with (y - offset) * scale; the offset is not rounded to an integer.
struct DynamicQuantArgs {
  ConstTensorView x;              // float16 | bfloat16 | float32, rank >= 1, any strides
  ConstTensorView smooth_scales;  // optional, float16 | bfloat16 | float32: [H]; with group_index [E, H];
                                  // perchannel: [K], K = x.shape[-2]
  ConstTensorView group_index;    // optional, int32 | int64 [E]: cumulative end rows of the experts, the last equal
                                  // to the number of rows; needs smooth_scales [E, H]; not with perchannel

  Format dst_type = Format::kInt8;
  bool symmetric = false;
  QuantMode quant_mode = QuantMode::kPerToken;
  int64_t group_size = 0;   // pertoken, INT8 and INT4: elements per scale, a divisor of H; 0: the whole row
  double dst_type_max = 0;  // HIFLOAT8: D, 1e-6 to 32768; 0, or less than 1e-6, means 32768

  TensorView y;       // codes: x.shape; INT4 packs the last dimension into uint8 [..., H/2] or int32 [..., H/8]
  TensorView scale;   // float32: x.shape[:-1] (+ [H / group_size]); pertensor (1,); perchannel x.shape without dim -2
  TensorView offset;  // float32, shape of scale; absent when symmetric
};

// What y, scale and offset must look like; INT4 as bytes. Fails like DynamicQuant on bad inputs and attributes
// (argument values, such as the boundaries in group_index, are not read).
struct DynamicQuantOutputs {
  TensorSpec y, scale;
  TensorSpec offset;  // symmetric: rank -1, there is none
};
Status InferDynamicQuant(const DynamicQuantArgs& args, DynamicQuantOutputs* outputs);

// Fails, before anything is written, with
//   kInvalidType   a dtype that is not listed above
//   kInvalidValue  a shape that does not follow from x, an odd H for INT4, a group_size that does not divide H, a
//                  dst_type_max above 32768, negative or for another format than HIFLOAT8, outputs that overlap
//                  themselves, one another or an input
//   kOutOfRange    group_index decreasing, negative, or not ending at the number of rows
//   kUnavailable   KVANT_TARGET names a target that there is not (core/target.h)
//   kOutOfMemory   no memory for scratch (pertensor, perchannel and very long rows)
Status DynamicQuant(const DynamicQuantArgs& args, const ExecOptions& exec = {});

}  // namespace kvant

#endif  // KVANT_OPS_DYNAMIC_QUANT_DYNAMIC_QUANT_H_
