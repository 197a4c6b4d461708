// What is legal for row_minmax and row_amax.
#ifndef KVANT_OPS_ROW_STATS_RULES_H_
#define KVANT_OPS_ROW_STATS_RULES_H_

#include "kvant/ops/row_stats/row_stats.h"
#include "kvant/rowwise/rules.h"

namespace kvant::row_stats {

inline RowwiseInputs Inputs(std::string_view op, const RowStatsArgs& a) {
  return {op, a.x, a.smooth_scales, a.group_index, a.quant_mode, a.group_size};
}

// `first` and `second` are the results, by name; a function with one result has an absent second.
inline Status Check(std::string_view op, const RowStatsArgs& a, NamedTensor first, NamedTensor second,
                    Device device = Device::kCpu) {
  KVANT_RETURN_IF_ERROR(CheckInputs(Inputs(op, a)));
  const TensorSpec spec = ParamSpec(a.x, a.quant_mode, a.group_size);
  KVANT_RETURN_IF_ERROR(CheckSpec(op, first, spec));
  if (second.tensor.present()) KVANT_RETURN_IF_ERROR(CheckSpec(op, second, spec));
  return CheckOverlap(op, {first, second},
                      {{"x", a.x}, {"smooth_scales", a.smooth_scales}, {"group_index", a.group_index}}, device);
}

}  // namespace kvant::row_stats

#endif  // KVANT_OPS_ROW_STATS_RULES_H_
