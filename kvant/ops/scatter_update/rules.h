// What is legal for scatter_update.
#ifndef KVANT_OPS_SCATTER_UPDATE_RULES_H_
#define KVANT_OPS_SCATTER_UPDATE_RULES_H_

#include <fmt/core.h>

#include "kvant/ops/scatter_update/scatter_update.h"
#include "kvant/rowwise/scatter_rules.h"

namespace kvant::scatter_update {

inline constexpr std::string_view kOp = "scatter_update";
inline constexpr std::string_view kInPlace = "scatter_update_";

template <class Args>
Status CheckInputs(std::string_view op, const Args& a, ScatterGeometry* geometry) {
  KVANT_RETURN_IF_ERROR(CheckScatter(
      {op, {"self", a.self}, a.indices, {"updates", a.updates}, a.axis, a.index_mode, a.index_policy}, geometry));
  if (a.updates.dtype() == a.self.dtype()) return {};
  return Status::InvalidType(
      fmt::format("{}: updates is {}, expected {} as self", op, Name(a.updates.dtype()), Name(a.self.dtype())));
}

inline Status Check(const ScatterUpdateInPlaceArgs& a, ScatterGeometry* geometry, Device device = Device::kCpu) {
  KVANT_RETURN_IF_ERROR(CheckInputs(kInPlace, a, geometry));
  return CheckOverlap(kInPlace, {{"self", a.self}}, {{"indices", a.indices}, {"updates", a.updates}}, device);
}

inline Status Check(const ScatterUpdateArgs& a, ScatterGeometry* geometry, Device device = Device::kCpu) {
  KVANT_RETURN_IF_ERROR(CheckInputs(kOp, a, geometry));
  KVANT_RETURN_IF_ERROR(CheckSpec(kOp, {"out", a.out}, SpecOf(a.self)));
  return CheckOverlap(kOp, {{"out", a.out}}, {{"self", a.self}, {"indices", a.indices}, {"updates", a.updates}},
                      device);
}

}  // namespace kvant::scatter_update

#endif  // KVANT_OPS_SCATTER_UPDATE_RULES_H_
