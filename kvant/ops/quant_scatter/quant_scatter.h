// Static quantization of rows on their way to places of a tensor that indices name, as a quantized KV cache is filled.
#ifndef KVANT_OPS_QUANT_SCATTER_QUANT_SCATTER_H_
#define KVANT_OPS_QUANT_SCATTER_QUANT_SCATTER_H_

#include <optional>

#include "kvant/core/exec.h"
#include "kvant/core/index_mode.h"
#include "kvant/core/status.h"
#include "kvant/core/tensor.h"
#include "kvant/formats/format.h"

namespace kvant {

// codes = cast(updates / scale[k] + zero_point[k]), with reciprocal_scale cast(updates * scale[k] + zero_point[k]); k
// runs along the last dimension, of H elements. Then the codes go to self as ScatterUpdateInPlace writes them: the bits
// are those of Quantize followed by ScatterUpdateInPlace.
struct QuantScatterInPlaceArgs {
  TensorView self;                    // codes of dst_type, rank >= 3, any strides
  ConstTensorView indices;            // int32 | int64: [n], kPair [n, 2], any strides
  ConstTensorView updates;            // float16 | bfloat16 | float32, any strides, shaped as for ScatterUpdate
  ConstTensorView quant_scales;       // float16 | bfloat16 | float32: H elements in any shape, or one
  ConstTensorView quant_zero_points;  // optional, int32 | float16 | bfloat16 | float32: likewise; fractions count
  Format dst_type = Format::kInt8;    // not INT4
  int axis = -2;                      // of self; neither the first nor the last dimension; negative: from the end
  int quant_axis = -1;                // of updates; the last dimension
  bool reciprocal_scale = false;
  RoundMode round_mode = RoundMode::kRint;  // kRound and kHybrid with HIFLOAT8 only
  std::optional<IndexMode> index_mode;      // has to be given
  IndexPolicy index_policy = IndexPolicy::kError;
};

// Fails, before anything is written, like ScatterUpdateInPlace and with
//   kInvalidType   a dtype that is not listed above
//   kInvalidValue  dst_type INT4, another quant_axis, scales or zero points of another size, a round_mode that dst_type
//                  does not have, a self that overlaps itself or an input
//   kUnavailable   KVANT_TARGET names a target that there is not (core/target.h)
Status QuantScatterInPlace(const QuantScatterInPlaceArgs& args, const ExecOptions& exec = {});

// The same into a copy: `self` is left alone, `out` is self with the updates in it.
struct QuantScatterArgs {
  ConstTensorView self;
  ConstTensorView indices;
  ConstTensorView updates;
  ConstTensorView quant_scales;
  ConstTensorView quant_zero_points;
  Format dst_type = Format::kInt8;
  int axis = -2;
  int quant_axis = -1;
  bool reciprocal_scale = false;
  RoundMode round_mode = RoundMode::kRint;
  std::optional<IndexMode> index_mode;
  IndexPolicy index_policy = IndexPolicy::kError;
  TensorView out;  // dtype and shape of self, any strides; overlaps no input
};
Status QuantScatter(const QuantScatterArgs& args, const ExecOptions& exec = {});

// What `out` must look like. Fails like QuantScatter on bad inputs, values of indices aside.
Status InferQuantScatter(const QuantScatterArgs& args, TensorSpec* out);

}  // namespace kvant

#endif  // KVANT_OPS_QUANT_SCATTER_QUANT_SCATTER_H_
