// The kernels of dequant_swiglu_quant that can be launched on a CUDA stream.
#ifndef KVANT_OPS_DEQUANT_SWIGLU_QUANT_CUDA_LAUNCH_H_
#define KVANT_OPS_DEQUANT_SWIGLU_QUANT_CUDA_LAUNCH_H_

#include "kvant/ops/dequant_swiglu_quant/cuda_plan.h"
#include "kvant/rowwise/cuda_queue.h"

namespace kvant::cuda {

Status LaunchSwiglu(Queue& queue, int held, const swiglu::CudaPlan& p, const CudaShape& shape);

}  // namespace kvant::cuda

#endif  // KVANT_OPS_DEQUANT_SWIGLU_QUANT_CUDA_LAUNCH_H_
