// What is legal for quantize, and the shape of its result.
#ifndef KVANT_OPS_QUANTIZE_RULES_H_
#define KVANT_OPS_QUANTIZE_RULES_H_

#include <fmt/core.h>

#include "kvant/core/enumerators.h"
#include "kvant/ops/quantize/quantize.h"
#include "kvant/rowwise/rules.h"

namespace kvant::quantize {

inline constexpr std::string_view kOp = "quantize";

// Dimension `axis` of x, counted from the front.
inline int Axis(const QuantizeArgs& a) { return a.axis < 0 ? a.axis + a.x.rank() : a.axis; }

// One element, or one for each index along a dimension of x, which is named as the caller wrote it.
inline Status CheckCount(std::string_view op, NamedTensor t, NamedTensor x, int axis) {
  const int64_t n = t.tensor.elements(), wanted = x.tensor.shape(axis);
  if (n == 1 || n == wanted) return {};
  return Status::InvalidValue(
      fmt::format("{}: {} has {} elements, expected 1 or {}.shape[{}] = {}", op, t.name, n, x.name, axis, wanted));
}

// Given parameters: scales, and zero points if they are there.
inline Status CheckParameters(std::string_view op, NamedTensor scales, NamedTensor zero_points, NamedTensor x,
                              int axis) {
  KVANT_RETURN_IF_ERROR(CheckPresent(op, scales));
  KVANT_RETURN_IF_ERROR(CheckFloat(op, scales));
  KVANT_RETURN_IF_ERROR(CheckCount(op, scales, x, axis));
  if (!zero_points.tensor.present()) return {};
  KVANT_RETURN_IF_ERROR(CheckPresent(op, zero_points));
  if (const DType dtype = zero_points.tensor.dtype(); !IsFloat(dtype) && dtype != DType::kInt32) {
    return Status::InvalidType(
        fmt::format("{}: {} is {}, expected int32, float16, bfloat16 or float32", op, zero_points.name, Name(dtype)));
  }
  return CheckCount(op, zero_points, x, axis);
}

inline Status CheckRoundMode(std::string_view op, RoundMode mode, Format format) {
  KVANT_RETURN_IF_ERROR(CheckEnumerator(op, "round_mode", mode));
  if (mode == RoundMode::kRint || format == Format::kHiFloat8) return {};
  return Status::InvalidValue(
      fmt::format("{}: round_mode is {}, but dst_type is {}: it is for hifloat8", op, Name(mode), Name(format)));
}

inline Status CheckInputs(const QuantizeArgs& a) {
  const ConstTensorView none;
  const RowwiseInputs in{kOp, a.x, none, none, QuantMode::kPerToken, 0};
  KVANT_RETURN_IF_ERROR(kvant::CheckInputs(in));
  KVANT_RETURN_IF_ERROR(CheckFormat(in, a.dst_type));
  if (a.axis < -a.x.rank() || a.axis >= a.x.rank()) {
    return Status::InvalidValue(
        fmt::format("{}: axis is {}, expected {} to {}", kOp, a.axis, -a.x.rank(), a.x.rank() - 1));
  }
  KVANT_RETURN_IF_ERROR(CheckParameters(kOp, {"quant_scales", a.quant_scales},
                                        {"quant_zero_points", a.quant_zero_points}, {"x", a.x}, a.axis));
  return CheckRoundMode(kOp, a.round_mode, a.dst_type);
}

inline Status CheckOutput(const QuantizeArgs& a, Device device = Device::kCpu) {
  const ConstTensorView y = a.y;
  KVANT_RETURN_IF_ERROR(CheckCodes(kOp, {"y", y}, a.x, a.dst_type));
  return CheckOverlap(kOp, {{"y", y}},
                      {{"x", a.x}, {"quant_scales", a.quant_scales}, {"quant_zero_points", a.quant_zero_points}},
                      device);
}

}  // namespace kvant::quantize

#endif  // KVANT_OPS_QUANTIZE_RULES_H_
