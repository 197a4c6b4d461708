// A CUDA stream as row-wise operators see it (cuda_run.h), and the kernels that can be launched on it.
#ifndef KVANT_ROWWISE_CUDA_QUEUE_H_
#define KVANT_ROWWISE_CUDA_QUEUE_H_

#include "kvant/core/cuda_exec.h"
#include "kvant/core/tensor.h"
#include "kvant/rowwise/cuda_grid.h"
#include "kvant/rowwise/cuda_run.h"

namespace kvant {
struct CudaFaultRecord;

namespace cuda {

struct Queue {
  Device device = Device::kCuda;
  CudaTraits traits;
  CudaFaultRecord* faults = nullptr;
  void* workspace = nullptr;
  size_t workspace_bytes = 0;
  bool deterministic = false;
  CUstream_st* stream = nullptr;
};

// A queue on the current device; kUnavailable where there is none.
Status OpenQueue(const Exec& exec, Queue* queue);

Status LaunchRows(Queue& queue, CudaStep step, RowVariant variant, const CudaRows& plan, const CudaShape& shape);
Status LaunchTwoRows(Queue& queue, RowVariant variant, const CudaTwoRows& plans, const CudaShape& shape);
Status LaunchColumns(Queue& queue, CudaStep step, const CudaColumns& plan, const CudaShape& shape);
// Words of `word` bytes from tensor 1 of the grid to tensor 0.
Status LaunchCopy(Queue& queue, int word, const CudaElements& e, const CudaShape& shape);

}  // namespace cuda
}  // namespace kvant

#endif  // KVANT_ROWWISE_CUDA_QUEUE_H_
