// quant_scatter on the current CUDA device.
#ifndef KVANT_OPS_QUANT_SCATTER_CUDA_H_
#define KVANT_OPS_QUANT_SCATTER_CUDA_H_

#include "kvant/core/cuda_exec.h"
#include "kvant/ops/quant_scatter/quant_scatter.h"

namespace kvant::cuda {

// As kvant::QuantScatter, of tensors in device memory, as work on exec.stream: nothing is allocated and nothing waited
// for. Indices are read by the device: a bad update is skipped and, under kError, told by CheckErrors. Takes no
// workspace. Without exec.deterministic the places of updates must be distinct.
Status QuantScatterInPlace(const QuantScatterInPlaceArgs& args, const Exec& exec = {});
Status QuantScatter(const QuantScatterArgs& args, const Exec& exec = {});

}  // namespace kvant::cuda

#endif  // KVANT_OPS_QUANT_SCATTER_CUDA_H_
