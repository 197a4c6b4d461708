// dynamic_quant_update_scatter_ on the current CUDA device.
#ifndef KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_CUDA_H_
#define KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_CUDA_H_

#include "kvant/core/cuda_exec.h"
#include "kvant/ops/dynamic_quant_update_scatter/dynamic_quant_update_scatter.h"

namespace kvant::cuda {

// As kvant::DynamicQuantUpdateScatter, of tensors in device memory, as work on exec.stream: nothing is allocated and
// nothing waited for. Indices are read by the device: a bad update is skipped in all tables and, under kError, told by
// CheckErrors. Takes no workspace. Without exec.deterministic the places of updates must be distinct.
Status DynamicQuantUpdateScatter(const DynamicQuantUpdateScatterArgs& args, const Exec& exec = {});

}  // namespace kvant::cuda

#endif  // KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_CUDA_H_
