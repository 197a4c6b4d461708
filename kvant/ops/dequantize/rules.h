// What is legal for dequantize, and the shape of its result.
#ifndef KVANT_OPS_DEQUANTIZE_RULES_H_
#define KVANT_OPS_DEQUANTIZE_RULES_H_

#include <fmt/core.h>

#include "kvant/ops/dequantize/dequantize.h"
#include "kvant/rowwise/rules.h"

namespace kvant::dequantize {

inline constexpr std::string_view kOp = "dequantize";

// Inputs and attributes; gives the shape of x.
inline Status CheckInputs(const DequantizeArgs& a, DType dtype, TensorSpec* x) {
  KVANT_RETURN_IF_ERROR(CheckPresent(kOp, {"y", a.y}));
  if (a.y.rank() < 1) return Status::InvalidValue(fmt::format("{}: y has no dimensions, expected at least 1", kOp));
  x->dtype = dtype;
  x->rank = a.y.rank();
  std::copy(a.y.shape().begin(), a.y.shape().end(), x->shape);
  x->shape[x->rank - 1] *= CodesPerElement(a.dst_type, a.y.dtype());
  const ConstTensorView logical(a.y.data(), dtype, x->dims()), none;
  KVANT_RETURN_IF_ERROR(CheckFloat(kOp, {"x", logical}));
  // The storage first: whether H is what it seems depends on it.
  KVANT_RETURN_IF_ERROR(CheckCodes(kOp, {"y", a.y}, logical, a.dst_type));
  const RowwiseInputs in{kOp, logical, none, none, a.quant_mode, a.group_size};
  KVANT_RETURN_IF_ERROR(kvant::CheckInputs(in));
  KVANT_RETURN_IF_ERROR(CheckFormat(in, a.dst_type));
  TensorSpec params = ParamSpec(logical, a.quant_mode, a.group_size);
  KVANT_RETURN_IF_ERROR(CheckPresent(kOp, {"scale", a.scale}));
  KVANT_RETURN_IF_ERROR(CheckFloat(kOp, {"scale", a.scale}));
  params.dtype = a.scale.dtype();
  if (a.quant_mode == QuantMode::kPerTensor && a.scale.rank() == 0) params.rank = 0;
  KVANT_RETURN_IF_ERROR(CheckSpec(kOp, {"scale", a.scale}, params));
  if (a.offset.present()) return CheckSpec(kOp, {"offset", a.offset}, params);
  if (!a.negate_offset) return {};
  return Status::InvalidValue(fmt::format("{}: negate_offset was given, but there is no offset", kOp));
}

inline Status CheckOutput(const DequantizeArgs& a, const TensorSpec& spec, Device device = Device::kCpu) {
  const ConstTensorView x = a.x;
  KVANT_RETURN_IF_ERROR(CheckSpec(kOp, {"x", x}, spec));
  return CheckOverlap(kOp, {{"x", x}}, {{"y", a.y}, {"scale", a.scale}, {"offset", a.offset}}, device);
}

}  // namespace kvant::dequantize

#endif  // KVANT_OPS_DEQUANTIZE_RULES_H_
