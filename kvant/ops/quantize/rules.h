// What is legal for quantize, and the shape of its result.
#ifndef KVANT_OPS_QUANTIZE_RULES_H_
#define KVANT_OPS_QUANTIZE_RULES_H_

#include <fmt/format.h>

#include "kvant/ops/quantize/quantize.h"
#include "kvant/rowwise/rules.h"

namespace kvant::quantize {

inline constexpr std::string_view kOp = "quantize";

constexpr std::string_view Name(RoundMode m) {
  return m == RoundMode::kRint ? "rint" : m == RoundMode::kRound ? "round" : "hybrid";
}

// Dimension `axis` of x, counted from the front.
inline int Axis(const QuantizeArgs& a) { return a.axis < 0 ? a.axis + a.x.rank() : a.axis; }

// One parameter for all of x, or one for each index along the axis.
inline Status CheckCount(const QuantizeArgs& a, NamedTensor t) {
  const int64_t n = t.tensor.elements(), wanted = a.x.shape(Axis(a));
  if (n == 1 || n == wanted) return {};
  return Status::InvalidValue(
      fmt::format("{}: {} has {} elements, expected 1 or x.shape[{}] = {}", kOp, t.name, n, a.axis, wanted));
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
  KVANT_RETURN_IF_ERROR(CheckPresent(kOp, {"scales", a.scales}));
  KVANT_RETURN_IF_ERROR(CheckFloat(kOp, {"scales", a.scales}));
  KVANT_RETURN_IF_ERROR(CheckCount(a, {"scales", a.scales}));
  if (a.zero_points.present()) {
    KVANT_RETURN_IF_ERROR(CheckPresent(kOp, {"zero_points", a.zero_points}));
    if (const DType dtype = a.zero_points.dtype(); !IsFloat(dtype) && dtype != DType::kInt32) {
      return Status::InvalidType(
          fmt::format("{}: zero_points is {}, expected int32, float16, bfloat16 or float32", kOp, kvant::Name(dtype)));
    }
    KVANT_RETURN_IF_ERROR(CheckCount(a, {"zero_points", a.zero_points}));
  }
  if (a.round_mode != RoundMode::kRint && a.dst_type != Format::kHiFloat8) {
    return Status::InvalidValue(fmt::format("{}: round_mode is {}, but dst_type is {}: it is for hifloat8", kOp,
                                            Name(a.round_mode), kvant::Name(a.dst_type)));
  }
  return {};
}

inline Status CheckOutput(const QuantizeArgs& a) {
  const ConstTensorView y = a.y;
  KVANT_RETURN_IF_ERROR(CheckCodes(kOp, {"y", y}, a.x, a.dst_type));
  return CheckOverlap(kOp, {{"y", y}}, {{"x", a.x}, {"scales", a.scales}, {"zero_points", a.zero_points}});
}

}  // namespace kvant::quantize

#endif  // KVANT_OPS_QUANTIZE_RULES_H_
