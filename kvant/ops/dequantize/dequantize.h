// Codes back to real numbers.
#ifndef KVANT_OPS_DEQUANTIZE_DEQUANTIZE_H_
#define KVANT_OPS_DEQUANTIZE_DEQUANTIZE_H_

#include "kvant/core/exec.h"
#include "kvant/core/status.h"
#include "kvant/core/tensor.h"
#include "kvant/formats/format.h"
#include "kvant/rowwise/quant_mode.h"

namespace kvant {

// x = RN_dst(RN(RN(q - offset) * scale)), without offset RN_dst(RN(q * scale)): fp32 arithmetic and one final rounding
// to the dtype of x, all to nearest even, subnormals included. A NaN (of a code, scale or offset, or from the
// arithmetic) is written as 0x7FC00000, 0x7E00 or 0x7FC0.
struct DequantizeArgs {
  ConstTensorView y;       // codes as dynamic_quant writes them: int8, uint8 (INT4 [..., H/2], HIFLOAT8), int32 (INT4
                           // [..., H/8]), float8_e4m3fn, float8_e5m2; rank >= 1, any strides, INT4's last contiguous
  ConstTensorView scale;   // float32 | float16 | bfloat16, any strides: x.shape[:-1] (+ [H / group_size]); pertensor
                           // (1,); perchannel x.shape without dim -2
  ConstTensorView offset;  // optional, dtype and shape of scale
  Format dst_type = Format::kInt8;  // the format of the codes
  QuantMode quant_mode = QuantMode::kPerToken;
  int64_t group_size = 0;      // pertoken, INT8 and INT4: elements per scale, a divisor of H; 0: the whole row
  bool negate_offset = false;  // the offset tensor holds minus the offset: x = (q + offset) * scale
  TensorView x;                // float32 | float16 | bfloat16, logical shape of y, any strides
};

// The shape of x; its dtype is `dtype`. Fails like Dequantize on bad inputs and attributes.
Status InferDequantize(const DequantizeArgs& args, DType dtype, TensorSpec* x);

// Fails, before anything is written, with
//   kInvalidType   a dtype that is not listed above, or one that does not hold codes of dst_type
//   kInvalidValue  a shape that does not follow from y, a group_size that does not divide H, negate_offset without an
//                  offset, an x that overlaps itself or an input
//   kUnavailable   KVANT_TARGET names a target that there is not (core/target.h)
Status Dequantize(const DequantizeArgs& args, const ExecOptions& exec = {});

}  // namespace kvant

#endif  // KVANT_OPS_DEQUANTIZE_DEQUANTIZE_H_
