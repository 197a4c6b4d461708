// INT4 codes between one per byte and two per byte.
#ifndef KVANT_OPS_PACK_INT4_PACK_INT4_H_
#define KVANT_OPS_PACK_INT4_PACK_INT4_H_

#include "kvant/core/exec.h"
#include "kvant/core/status.h"
#include "kvant/core/tensor.h"

namespace kvant {

// Element 2k is the low nibble of byte k, element 2k + 1 the high one, two's complement; the int32 form is that byte
// stream read little-endian.
//
// Both functions fail, before anything is written, with
//   kInvalidType   a dtype that is not listed below
//   kInvalidValue  no last dimension, an H that does not fill whole elements, another shape on the other side, a packed
//                  dimension that is not contiguous, a result that overlaps itself or the input
//   kUnavailable   KVANT_TARGET names a target that there is not (core/target.h)
struct PackInt4Args {
  ConstTensorView codes;  // int8 [..., H], any strides, values -8..7 (others keep their low four bits)
  TensorView packed;      // uint8 [..., H/2] or int32 [..., H/8], the last dimension contiguous
};
Status PackInt4(const PackInt4Args& args, const ExecOptions& exec = {});

// The shape of `packed` in `storage`, uint8 or int32.
Status InferPackInt4(const PackInt4Args& args, DType storage, TensorSpec* packed);

struct UnpackInt4Args {
  ConstTensorView packed;  // uint8 [..., H/2] or int32 [..., H/8], the last dimension contiguous
  TensorView codes;        // int8 [..., H], any strides; values -8..7
};
Status UnpackInt4(const UnpackInt4Args& args, const ExecOptions& exec = {});

// The shape of `codes`.
Status InferUnpackInt4(const UnpackInt4Args& args, TensorSpec* codes);

}  // namespace kvant

#endif  // KVANT_OPS_PACK_INT4_PACK_INT4_H_
