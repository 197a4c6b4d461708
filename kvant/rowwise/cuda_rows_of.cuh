// The row-wise kernels of one dtype of x, in a file of its own for the time that takes.
#ifndef KVANT_ROWWISE_CUDA_ROWS_OF_CUH_
#define KVANT_ROWWISE_CUDA_ROWS_OF_CUH_

#include "kvant/rowwise/cuda_dispatch.cuh"
#include "kvant/rowwise/cuda_launch.cuh"

namespace kvant::cuda {

template <class In>
Status LaunchRowsOf(Queue& queue, CudaStep step, RowVariant variant, const CudaRows& plan, const CudaShape& shape);
template <class In>
Status LaunchTwoRowsOf(Queue& queue, RowVariant variant, const CudaTwoRows& plans, const CudaShape& shape);
template <class In>
Status LaunchColumnsOf(Queue& queue, CudaStep step, const CudaColumns& plan, const CudaShape& shape);

// To be used in one file for each type.
#define KVANT_ROWS_OF(In)                                                                                           \
  template <>                                                                                                       \
  Status LaunchRowsOf<In>(Queue & queue, CudaStep step, RowVariant variant, const CudaRows& plan,                   \
                          const CudaShape& shape) {                                                                 \
    return DispatchRows<In>(step, variant, plan, [&](const auto& k) { return Launch(queue, k, shape); });           \
  }                                                                                                                 \
  template <>                                                                                                       \
  Status LaunchTwoRowsOf<In>(Queue & queue, RowVariant variant, const CudaTwoRows& plans, const CudaShape& shape) { \
    return DispatchTwoRows<In>(variant, plans, [&](const auto& k) { return Launch(queue, k, shape); });             \
  }                                                                                                                 \
  template <>                                                                                                       \
  Status LaunchColumnsOf<In>(Queue & queue, CudaStep step, const CudaColumns& plan, const CudaShape& shape) {       \
    return DispatchColumns<In>(step, plan, [&](const auto& k) { return Launch(queue, k, shape); });                 \
  }

}  // namespace kvant::cuda

#endif  // KVANT_ROWWISE_CUDA_ROWS_OF_CUH_
