// quantize_with_params on the current CUDA device.
#ifndef KVANT_OPS_QUANTIZE_WITH_PARAMS_CUDA_H_
#define KVANT_OPS_QUANTIZE_WITH_PARAMS_CUDA_H_

#include "kvant/core/cuda_exec.h"
#include "kvant/ops/quantize_with_params/quantize_with_params.h"

namespace kvant::cuda {

// As kvant::QuantizeWithParams, of tensors in device memory, as work on exec.stream: nothing is allocated and nothing
// waited for. Groups as for DynamicQuant. Takes no workspace.
Status QuantizeWithParams(const QuantizeWithParamsArgs& args, const Exec& exec = {});

}  // namespace kvant::cuda

#endif  // KVANT_OPS_QUANTIZE_WITH_PARAMS_CUDA_H_
