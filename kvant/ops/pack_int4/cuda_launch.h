// The kernels of pack_int4 and unpack_int4 that can be launched on a CUDA stream.
#ifndef KVANT_OPS_PACK_INT4_CUDA_LAUNCH_H_
#define KVANT_OPS_PACK_INT4_CUDA_LAUNCH_H_

#include "kvant/rowwise/cuda_queue.h"

namespace kvant::cuda {

Status LaunchPackInt4(Queue& queue, bool packs, const CudaElements& e, const CudaShape& shape);

}  // namespace kvant::cuda

#endif  // KVANT_OPS_PACK_INT4_CUDA_LAUNCH_H_
