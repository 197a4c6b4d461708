// quantize on the current CUDA device.
#ifndef KVANT_OPS_QUANTIZE_CUDA_H_
#define KVANT_OPS_QUANTIZE_CUDA_H_

#include "kvant/core/cuda_exec.h"
#include "kvant/ops/quantize/quantize.h"

namespace kvant::cuda {

// As kvant::Quantize, of tensors in device memory, as work on exec.stream: nothing is allocated and nothing waited for.
// Takes no workspace.
Status Quantize(const QuantizeArgs& args, const Exec& exec = {});

}  // namespace kvant::cuda

#endif  // KVANT_OPS_QUANTIZE_CUDA_H_
