// dequantize on the current CUDA device.
#ifndef KVANT_OPS_DEQUANTIZE_CUDA_H_
#define KVANT_OPS_DEQUANTIZE_CUDA_H_

#include "kvant/core/cuda_exec.h"
#include "kvant/ops/dequantize/dequantize.h"

namespace kvant::cuda {

// As kvant::Dequantize, of tensors in device memory, as work on exec.stream: nothing is allocated and nothing waited
// for. Takes no workspace.
Status Dequantize(const DequantizeArgs& args, const Exec& exec = {});

}  // namespace kvant::cuda

#endif  // KVANT_OPS_DEQUANTIZE_CUDA_H_
