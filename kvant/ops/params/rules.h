// What is legal for params_from_amax and params_from_minmax.
#ifndef KVANT_OPS_PARAMS_RULES_H_
#define KVANT_OPS_PARAMS_RULES_H_

#include "kvant/ops/params/params.h"
#include "kvant/rowwise/rules.h"

namespace kvant::params {

// A statistic and everything shaped like it. Results may be statistics themselves, element by element in place, but not
// overlap one another.
inline Status Check(std::string_view op, NamedTensor statistic, std::initializer_list<NamedTensor> inputs,
                    std::initializer_list<NamedTensor> outputs, Device device = Device::kCpu) {
  KVANT_RETURN_IF_ERROR(CheckPresent(op, statistic));
  TensorSpec spec;
  spec.rank = statistic.tensor.rank();
  for (int d = 0; d < spec.rank; ++d) spec.shape[d] = statistic.tensor.shape(d);
  for (const NamedTensor& t : inputs) KVANT_RETURN_IF_ERROR(CheckSpec(op, t, spec));
  for (const NamedTensor& t : outputs) KVANT_RETURN_IF_ERROR(CheckSpec(op, t, spec));
  KVANT_RETURN_IF_ERROR(CheckDevice(op, inputs, device));
  KVANT_RETURN_IF_ERROR(CheckOverlap(op, outputs, {}, device));
  for (const NamedTensor& out : outputs) {
    for (const NamedTensor& in : inputs) {
      bool same = out.tensor.data() == in.tensor.data();
      for (int d = 0; d < spec.rank; ++d) same &= spec.shape[d] == 1 || out.tensor.stride(d) == in.tensor.stride(d);
      if (!same) KVANT_RETURN_IF_ERROR(CheckOverlap(op, {out}, {in}, device));
    }
  }
  return {};
}

}  // namespace kvant::params

#endif  // KVANT_OPS_PARAMS_RULES_H_
