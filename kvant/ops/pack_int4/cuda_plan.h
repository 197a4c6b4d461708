// pack_int4 and unpack_int4 for CUDA.
#ifndef KVANT_OPS_PACK_INT4_CUDA_PLAN_H_
#define KVANT_OPS_PACK_INT4_CUDA_PLAN_H_

#include "kvant/formats/format.h"
#include "kvant/rowwise/cuda_grid.h"
#include "kvant/rowwise/cuda_run.h"

namespace kvant::pack_int4 {

// The grid's tensors; strides count codes.
enum : int { kCodes, kPacked };

// Of legal tensors with elements.
template <class Queue>
Status RunElements(Queue& queue, const ConstTensorView& codes, const ConstTensorView& packed, bool packs) {
  CudaElements e;
  e.data[kCodes] = static_cast<char*>(const_cast<void*>(codes.data()));
  e.data[kPacked] = static_cast<char*>(const_cast<void*>(packed.data()));
  const int64_t per_element = CodesPerElement(Format::kInt4, packed.dtype());
  const int last = codes.rank() - 1;
  for (int d = 0; d <= last; ++d) {
    e.grid.Add({codes.shape(d), {codes.stride(d), d == last ? 1 : packed.stride(d) * per_element, 0, 0}});
  }
  e.grid.Normalize(/*keep_last=*/true);
  const CudaShape shape = CutElements(queue.traits, /*piece=*/8192, /*per_thread=*/2, &e);
  return LaunchPackInt4(queue, packs, e, shape);
}

}  // namespace kvant::pack_int4

#endif  // KVANT_OPS_PACK_INT4_CUDA_PLAN_H_
