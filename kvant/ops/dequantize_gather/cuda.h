// dequantize_gather on the current CUDA device.
#ifndef KVANT_OPS_DEQUANTIZE_GATHER_CUDA_H_
#define KVANT_OPS_DEQUANTIZE_GATHER_CUDA_H_

#include "kvant/core/cuda_exec.h"
#include "kvant/ops/dequantize_gather/dequantize_gather.h"

namespace kvant::cuda {

// As kvant::DequantizeGather, of tensors in device memory, as work on exec.stream: nothing is allocated and nothing
// waited for. Indices are read by the device: what a bad one would read is 0 and, under kError, told by CheckErrors.
// Takes no workspace.
Status DequantizeGather(const DequantizeGatherArgs& args, const Exec& exec = {});

}  // namespace kvant::cuda

#endif  // KVANT_OPS_DEQUANTIZE_GATHER_CUDA_H_
