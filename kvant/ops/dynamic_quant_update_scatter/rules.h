// What is legal for dynamic_quant_update_scatter_.
#ifndef KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_RULES_H_
#define KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_RULES_H_

#include "kvant/ops/dynamic_quant_update_scatter/dynamic_quant_update_scatter.h"
#include "kvant/rowwise/scatter_rules.h"

namespace kvant::dynamic_quant_update_scatter {

inline constexpr std::string_view kOp = "dynamic_quant_update_scatter_";

// Names of the parts of a cache in errors.
struct Names {
  std::string_view updates, var, scale, offset;
};
inline constexpr Names kNames[] = {{"updates", "var", "var_scale", "var_offset"},
                                   {"second.updates", "second.var", "second.var_scale", "second.var_offset"}};

// The arguments with every other accepted shape made the usual one.
DynamicQuantUpdateScatterArgs Canonical(DynamicQuantUpdateScatterArgs args);

// Of canonical arguments. The caches' geometries are the same.
Status Check(const DynamicQuantUpdateScatterArgs& args, ScatterGeometry* geometry, Device device = Device::kCpu);

}  // namespace kvant::dynamic_quant_update_scatter

#endif  // KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_RULES_H_
