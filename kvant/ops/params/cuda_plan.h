// params_from_amax and params_from_minmax for CUDA.
#ifndef KVANT_OPS_PARAMS_CUDA_PLAN_H_
#define KVANT_OPS_PARAMS_CUDA_PLAN_H_

#include "kvant/ops/params/params.h"
#include "kvant/rowwise/cuda_grid.h"
#include "kvant/rowwise/cuda_run.h"

namespace kvant::params {

enum : int { kMin, kMax, kScale, kOffset };

struct CudaRange {
  bool asymmetric = false;
  float d = 0, r = 0;
};

// Of float32 tensors of one shape; absent ones are not looked at.
template <class Queue>
Status RunElements(Queue& queue, const CudaRange& range, const ConstTensorView& min, const ConstTensorView& max,
                   const ConstTensorView& scale, const ConstTensorView& offset) {
  if (max.elements() == 0) return {};
  const ConstTensorView* tensors[] = {&min, &max, &scale, &offset};
  CudaElements e;
  for (int t = 0; t < kGridTensors; ++t) e.data[t] = static_cast<char*>(const_cast<void*>(tensors[t]->data()));
  for (int d = 0; d < max.rank(); ++d) {
    Grid::Dim dim{max.shape(d), {}};
    for (int t = 0; t < kGridTensors; ++t) dim.stride[t] = tensors[t]->present() ? tensors[t]->stride(d) * 4 : 0;
    e.grid.Add(dim);
  }
  e.grid.Join(/*keep_last=*/false);
  const CudaShape shape = CutElements(queue.traits, 4096, 1, &e);
  return LaunchParams(queue, range, e, shape);
}

}  // namespace kvant::params

#endif  // KVANT_OPS_PARAMS_CUDA_PLAN_H_
