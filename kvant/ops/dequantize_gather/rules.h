// What is legal for dequantize_gather, and the shape of its result.
#ifndef KVANT_OPS_DEQUANTIZE_GATHER_RULES_H_
#define KVANT_OPS_DEQUANTIZE_GATHER_RULES_H_

#include "kvant/ops/dequantize_gather/dequantize_gather.h"
#include "kvant/rowwise/scatter_rules.h"

namespace kvant::dequantize_gather {

inline constexpr std::string_view kOp = "dequantize_gather";

// With tables as CanonicalTable has them: caches that dynamic_quant_update_scatter_ writes can be read.
DequantizeGatherArgs Canonical(DequantizeGatherArgs args);

// Canonical inputs and attributes; gives the shape of x.
Status CheckInputs(const DequantizeGatherArgs& args, DType dtype, ScatterGeometry* geometry, TensorSpec* x);
Status CheckOutput(const DequantizeGatherArgs& args, const TensorSpec& spec, Device device = Device::kCpu);

}  // namespace kvant::dequantize_gather

#endif  // KVANT_OPS_DEQUANTIZE_GATHER_RULES_H_
