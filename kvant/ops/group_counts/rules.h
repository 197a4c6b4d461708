// What is legal for counts_from_ends and ends_from_counts.
#ifndef KVANT_OPS_GROUP_COUNTS_RULES_H_
#define KVANT_OPS_GROUP_COUNTS_RULES_H_

#include <fmt/core.h>

#include "kvant/ops/group_counts/group_counts.h"
#include "kvant/rowwise/rules.h"

namespace kvant::group_counts {

inline Status CheckVector(std::string_view op, NamedTensor t) {
  KVANT_RETURN_IF_ERROR(CheckPresent(op, t));
  KVANT_RETURN_IF_ERROR(CheckIndex(op, t));
  if (t.tensor.rank() == 1) return {};
  return Status::InvalidValue(
      fmt::format("{}: {} has shape {}, expected one dimension", op, t.name, ShapeText(t.tensor.shape())));
}

inline Status Check(std::string_view op, NamedTensor from, NamedTensor to) {
  KVANT_RETURN_IF_ERROR(CheckVector(op, from));
  KVANT_RETURN_IF_ERROR(CheckVector(op, to));
  if (from.tensor.shape(0) != to.tensor.shape(0)) {
    return Status::InvalidValue(fmt::format("{}: {} has {} elements, expected {} as {} has", op, to.name,
                                            to.tensor.shape(0), from.tensor.shape(0), from.name));
  }
  return CheckOverlap(op, {to}, {from});
}

}  // namespace kvant::group_counts

#endif  // KVANT_OPS_GROUP_COUNTS_RULES_H_
