// What is legal for quant_scatter.
#ifndef KVANT_OPS_QUANT_SCATTER_RULES_H_
#define KVANT_OPS_QUANT_SCATTER_RULES_H_

#include <fmt/core.h>

#include "kvant/ops/quant_scatter/quant_scatter.h"
#include "kvant/ops/quantize/rules.h"
#include "kvant/rowwise/scatter_rules.h"

namespace kvant::quant_scatter {

inline constexpr std::string_view kOp = "quant_scatter";
inline constexpr std::string_view kInPlace = "quant_scatter_";

template <class Args>
Status CheckInputs(std::string_view op, const Args& a, ScatterGeometry* geometry) {
  const NamedTensor updates = {"updates", a.updates};
  KVANT_RETURN_IF_ERROR(CheckScatter(
      {op, {"self", a.self}, a.indices, updates, a.axis, a.index_mode, a.index_policy, /*whole_rows=*/true}, geometry));
  KVANT_RETURN_IF_ERROR(CheckFloat(op, updates));
  if (a.dst_type == Format::kInt4) {
    return Status::InvalidValue(
        fmt::format("{}: dst_type is int4, expected int8, float8_e4m3fn, float8_e5m2 or hifloat8", op));
  }
  KVANT_RETURN_IF_ERROR(CheckStorage(op, {"self", a.self}, a.dst_type));
  if (const int last = a.updates.rank() - 1; a.quant_axis != -1 && a.quant_axis != last) {
    return Status::InvalidValue(
        fmt::format("{}: quant_axis is {}, expected -1 or {}, the last dimension of updates", op, a.quant_axis, last));
  }
  KVANT_RETURN_IF_ERROR(quantize::CheckParameters(op, {"quant_scales", a.quant_scales},
                                                  {"quant_zero_points", a.quant_zero_points}, updates, -1));
  return quantize::CheckRoundMode(op, a.round_mode, a.dst_type);
}

inline Status Check(const QuantScatterInPlaceArgs& a, ScatterGeometry* geometry, Device device = Device::kCpu) {
  KVANT_RETURN_IF_ERROR(CheckInputs(kInPlace, a, geometry));
  return CheckOverlap(kInPlace, {{"self", a.self}},
                      {{"indices", a.indices},
                       {"updates", a.updates},
                       {"quant_scales", a.quant_scales},
                       {"quant_zero_points", a.quant_zero_points}},
                      device);
}

inline Status Check(const QuantScatterArgs& a, ScatterGeometry* geometry, Device device = Device::kCpu) {
  KVANT_RETURN_IF_ERROR(CheckInputs(kOp, a, geometry));
  KVANT_RETURN_IF_ERROR(CheckSpec(kOp, {"out", a.out}, SpecOf(a.self)));
  return CheckOverlap(kOp, {{"out", a.out}},
                      {{"self", a.self},
                       {"indices", a.indices},
                       {"updates", a.updates},
                       {"quant_scales", a.quant_scales},
                       {"quant_zero_points", a.quant_zero_points}},
                      device);
}

}  // namespace kvant::quant_scatter

#endif  // KVANT_OPS_QUANT_SCATTER_RULES_H_
