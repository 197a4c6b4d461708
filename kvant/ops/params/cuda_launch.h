// The kernel of params_from_amax and params_from_minmax that can be launched on a CUDA stream.
#ifndef KVANT_OPS_PARAMS_CUDA_LAUNCH_H_
#define KVANT_OPS_PARAMS_CUDA_LAUNCH_H_

#include "kvant/ops/params/cuda_plan.h"
#include "kvant/rowwise/cuda_queue.h"

namespace kvant::cuda {

Status LaunchParams(Queue& queue, const params::CudaRange& range, const CudaElements& e, const CudaShape& shape);

}  // namespace kvant::cuda

#endif  // KVANT_OPS_PARAMS_CUDA_LAUNCH_H_
