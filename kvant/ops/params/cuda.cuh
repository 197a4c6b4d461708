// Scales and offsets from statistics, for rowwise/cuda_grid.cuh.
#ifndef KVANT_OPS_PARAMS_CUDA_CUH_
#define KVANT_OPS_PARAMS_CUDA_CUH_

#include "kvant/ops/params/cuda_plan.h"
#include "kvant/rowwise/cuda_grid.cuh"

namespace kvant::cuda {

// Results may be where the statistics are, so that these are not read as memory that never changes.
struct ParamsOp : ColumnsOnly {
  params::CudaRange range;

  KVANT_INLINE void Columns(const CudaElements& e, const GridStretch& s, int t, int width) const {
    const auto at = [&](int tensor, int64_t c) {
      return reinterpret_cast<float*>(e.data[tensor] + s.offset[tensor] + c * e.grid.column_stride(tensor));
    };
    for (int64_t c = s.from + t; c < s.to; c += width) {
      if (!range.asymmetric) {
        const float amax = *at(params::kMax, c);
        *at(params::kScale, c) = ParamsOf<L>(0, amax, false, range.d, 0, DType::kFloat32).scale;
        continue;
      }
      const float low = *at(params::kMin, c), high = *at(params::kMax, c);
      // +inf and -inf, in this order, are what a row without elements reports.
      const bool empty = L::Bits(low) == 0x7F800000 && L::Bits(high) == static_cast<int32_t>(0xFF800000u);
      const RowParams p = ParamsOf<L>(empty ? 0 : low, empty ? 0 : high, true, range.d, range.r, DType::kFloat32);
      *at(params::kScale, c) = p.scale;
      *at(params::kOffset, c) = p.offset;
    }
  }
};

}  // namespace kvant::cuda

#endif  // KVANT_OPS_PARAMS_CUDA_CUH_
