// What is legal for quantize_with_params.
#ifndef KVANT_OPS_QUANTIZE_WITH_PARAMS_RULES_H_
#define KVANT_OPS_QUANTIZE_WITH_PARAMS_RULES_H_

#include "kvant/ops/quantize_with_params/quantize_with_params.h"
#include "kvant/rowwise/rules.h"

namespace kvant::quantize_with_params {

inline constexpr std::string_view kOp = "quantize_with_params";

inline RowwiseInputs Inputs(const QuantizeWithParamsArgs& a) {
  return {kOp, a.x, a.smooth_scales, a.group_index, a.quant_mode, a.group_size};
}

inline Status CheckInputs(const QuantizeWithParamsArgs& a) {
  KVANT_RETURN_IF_ERROR(kvant::CheckInputs(Inputs(a)));
  KVANT_RETURN_IF_ERROR(CheckFormat(Inputs(a), a.dst_type));
  const TensorSpec params = ParamSpec(a.x, a.quant_mode, a.group_size);
  KVANT_RETURN_IF_ERROR(CheckSpec(kOp, {"scale", a.scale}, params));
  if (a.offset.present()) return CheckSpec(kOp, {"offset", a.offset}, params);
  return {};
}

inline Status CheckOutputs(const QuantizeWithParamsArgs& a, Device device = Device::kCpu) {
  KVANT_RETURN_IF_ERROR(CheckCodes(kOp, {"y", a.y}, a.x, a.dst_type));
  return CheckOverlap(kOp, {{"y", a.y}},
                      {{"x", a.x},
                       {"scale", a.scale},
                       {"offset", a.offset},
                       {"smooth_scales", a.smooth_scales},
                       {"group_index", a.group_index}},
                      device);
}

}  // namespace kvant::quantize_with_params

#endif  // KVANT_OPS_QUANTIZE_WITH_PARAMS_RULES_H_
