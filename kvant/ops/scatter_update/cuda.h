// scatter_update on the current CUDA device.
#ifndef KVANT_OPS_SCATTER_UPDATE_CUDA_H_
#define KVANT_OPS_SCATTER_UPDATE_CUDA_H_

#include "kvant/core/cuda_exec.h"
#include "kvant/ops/scatter_update/scatter_update.h"

namespace kvant::cuda {

// As kvant::ScatterUpdate, of tensors in device memory, as work on exec.stream: nothing is allocated and nothing waited
// for. Indices are read by the device: a bad update is skipped and, under kError, told by CheckErrors. Takes no
// workspace. Without exec.deterministic the places of updates must be distinct.
Status ScatterUpdateInPlace(const ScatterUpdateInPlaceArgs& args, const Exec& exec = {});
Status ScatterUpdate(const ScatterUpdateArgs& args, const Exec& exec = {});

}  // namespace kvant::cuda

#endif  // KVANT_OPS_SCATTER_UPDATE_CUDA_H_
