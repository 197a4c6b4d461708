// The statistics half of dynamic quantization, for callers that reduce across machines before they quantize.
#ifndef KVANT_OPS_ROW_STATS_ROW_STATS_H_
#define KVANT_OPS_ROW_STATS_ROW_STATS_H_

#include "kvant/core/exec.h"
#include "kvant/core/status.h"
#include "kvant/core/tensor.h"
#include "kvant/rowwise/quant_mode.h"

namespace kvant {

// The arguments have the meaning they have in DynamicQuantArgs; the results the shape of its scale.
struct RowStatsArgs {
  ConstTensorView x;              // float16 | bfloat16 | float32, rank >= 1, any strides
  ConstTensorView smooth_scales;  // optional
  ConstTensorView group_index;    // optional
  QuantMode quant_mode = QuantMode::kPerToken;
  int64_t group_size = 0;

  TensorView min;   // float32; RowMinMax only
  TensorView max;   // float32; RowMinMax only
  TensorView amax;  // float32; RowAmax only
};

// The shape of the results. Fails like RowMinMax on bad inputs and attributes.
Status InferRowStats(const RowStatsArgs& args, TensorSpec* result);

// RowMinMax and RowAmax fail, before anything is written, with
//   kInvalidType   a dtype that is not listed above
//   kInvalidValue  a result of another shape, a group_size that does not divide H, results that overlap themselves, one
//                  another or an input
//   kOutOfRange    group_index decreasing, negative, or not ending at the number of rows
//   kUnavailable   KVANT_TARGET names a target that there is not (core/target.h)
//   kOutOfMemory   no memory for scratch (pertensor, perchannel and very long rows)

// Smallest and largest x'. -0 orders below +0; a NaN makes both NaN; an empty row gives +inf and -inf.
Status RowMinMax(const RowStatsArgs& args, const ExecOptions& exec = {});

// Largest |x'|. A NaN makes it NaN; an empty row gives 0.
Status RowAmax(const RowStatsArgs& args, const ExecOptions& exec = {});

}  // namespace kvant

#endif  // KVANT_OPS_ROW_STATS_ROW_STATS_H_
