// dequant_swiglu_quant on the current CUDA device.
#ifndef KVANT_OPS_DEQUANT_SWIGLU_QUANT_CUDA_H_
#define KVANT_OPS_DEQUANT_SWIGLU_QUANT_CUDA_H_

#include "kvant/core/cuda_exec.h"
#include "kvant/ops/dequant_swiglu_quant/dequant_swiglu_quant.h"

namespace kvant::cuda {

// As kvant::DequantSwigluQuant, of tensors in device memory, as work on exec.stream: nothing is allocated and nothing
// waited for. The values of group_index are read by the device: rows of an illegal parameter row, and all rows from an
// illegal count on, get codes and scale 0, and CheckErrors tells. Takes no workspace.
Status DequantSwigluQuant(const DequantSwigluQuantArgs& args, const Exec& exec = {});

}  // namespace kvant::cuda

#endif  // KVANT_OPS_DEQUANT_SWIGLU_QUANT_CUDA_H_
