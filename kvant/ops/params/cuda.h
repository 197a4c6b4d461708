// params_from_amax and params_from_minmax on the current CUDA device.
#ifndef KVANT_OPS_PARAMS_CUDA_H_
#define KVANT_OPS_PARAMS_CUDA_H_

#include "kvant/core/cuda_exec.h"
#include "kvant/ops/params/params.h"

namespace kvant::cuda {

// As in kvant, of tensors in device memory, as work on exec.stream: nothing is allocated and nothing waited for.
Status ParamsFromAmax(const ParamsFromAmaxArgs& args, const Exec& exec = {});
Status ParamsFromMinMax(const ParamsFromMinMaxArgs& args, const Exec& exec = {});

}  // namespace kvant::cuda

#endif  // KVANT_OPS_PARAMS_CUDA_H_
