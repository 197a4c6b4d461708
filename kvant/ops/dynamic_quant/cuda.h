// dynamic_quant on the current CUDA device.
#ifndef KVANT_OPS_DYNAMIC_QUANT_CUDA_H_
#define KVANT_OPS_DYNAMIC_QUANT_CUDA_H_

#include "kvant/core/cuda_exec.h"
#include "kvant/ops/dynamic_quant/dynamic_quant.h"

namespace kvant::cuda {

// As kvant::DynamicQuant, of tensors in device memory, as work on exec.stream: nothing is allocated and nothing waited
// for. The values of group_index are read by the device: rows that a bad one leaves without a group get codes, scale
// and offset 0, and CheckErrors tells. Fails with kInvalidValue for a workspace that is too small.
Status DynamicQuant(const DynamicQuantArgs& args, const Exec& exec = {});

// Bytes of workspace for such a call: needed for pertensor and perchannel, else only faster for a few long rows. y,
// scale and offset may be absent. 0 for arguments that are not legal.
int64_t DynamicQuantWorkspace(const DynamicQuantArgs& args);

}  // namespace kvant::cuda

#endif  // KVANT_OPS_DYNAMIC_QUANT_CUDA_H_
