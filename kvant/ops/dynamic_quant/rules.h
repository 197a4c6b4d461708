// What is legal for dynamic_quant, and the shapes of its results.
#ifndef KVANT_OPS_DYNAMIC_QUANT_RULES_H_
#define KVANT_OPS_DYNAMIC_QUANT_RULES_H_

#include "kvant/ops/dynamic_quant/dynamic_quant.h"
#include "kvant/rowwise/rules.h"

namespace kvant::dynamic_quant {

inline constexpr std::string_view kOp = "dynamic_quant";

inline RowwiseInputs Inputs(const DynamicQuantArgs& a) {
  return {kOp, a.x, a.smooth_scales, a.group_index, a.quant_mode, a.group_size};
}

// Inputs and attributes; gives D.
inline Status CheckInputs(const DynamicQuantArgs& a, float* d) {
  KVANT_RETURN_IF_ERROR(kvant::CheckInputs(Inputs(a)));
  KVANT_RETURN_IF_ERROR(CheckFormat(Inputs(a), a.dst_type));
  return CheckDstTypeMax(kOp, a.dst_type, a.dst_type_max, d);
}

inline Status CheckOutputs(const DynamicQuantArgs& a, Device device = Device::kCpu) {
  KVANT_RETURN_IF_ERROR(CheckCodes(kOp, {"y", a.y}, a.x, a.dst_type));
  const TensorSpec params = ParamSpec(a.x, a.quant_mode, a.group_size);
  KVANT_RETURN_IF_ERROR(CheckSpec(kOp, {"scale", a.scale}, params));
  if (!a.symmetric) {
    KVANT_RETURN_IF_ERROR(CheckSpec(kOp, {"offset", a.offset}, params));
  } else if (a.offset.present()) {
    return Status::InvalidValue("dynamic_quant: offset was given, but symmetric quantization has none");
  }
  return CheckOverlap(kOp, {{"y", a.y}, {"scale", a.scale}, {"offset", a.offset}},
                      {{"x", a.x}, {"smooth_scales", a.smooth_scales}, {"group_index", a.group_index}}, device);
}

}  // namespace kvant::dynamic_quant

#endif  // KVANT_OPS_DYNAMIC_QUANT_RULES_H_
