// INT4 codes between one and two to a byte, for rowwise/cuda_grid.cuh.
#ifndef KVANT_OPS_PACK_INT4_CUDA_CUH_
#define KVANT_OPS_PACK_INT4_CUDA_CUH_

#include "kvant/ops/pack_int4/cuda_plan.h"
#include "kvant/rowwise/cuda_grid.cuh"

namespace kvant::cuda {

template <bool kPacks>
struct PackInt4Op : ColumnsOnly {
  KVANT_INLINE void Columns(const CudaElements& e, const GridStretch& s, int t, int width) const {
    const int64_t step = e.grid.column_stride(pack_int4::kCodes);
    for (int64_t c = s.from + 2 * t; c < s.to; c += 2 * width) {
      char* low = e.data[pack_int4::kCodes] + s.offset[pack_int4::kCodes] + c * step;
      char* byte = e.data[pack_int4::kPacked] + ((s.offset[pack_int4::kPacked] + c) >> 1);
      if constexpr (kPacks) {
        const int32_t codes[2] = {static_cast<int32_t>(Load<1>(low).word[0]),
                                  static_cast<int32_t>(Load<1>(low + step).word[0])};
        Store(byte, PackCodes<Format::kInt4>(codes));
      } else {
        const auto pair = static_cast<int32_t>(Load<1>(byte).word[0]);
        Store<1>(low, {{static_cast<uint32_t>(((pair & 15) ^ 8) - 8)}});
        Store<1>(low + step, {{static_cast<uint32_t>((pair >> 4 ^ 8) - 8)}});
      }
    }
  }
};

template <class Launch>
Status DispatchPackInt4(bool packs, const CudaElements& e, const Launch& launch) {
  return packs ? DispatchGrid(e, PackInt4Op<true>{}, launch) : DispatchGrid(e, PackInt4Op<false>{}, launch);
}

}  // namespace kvant::cuda

#endif  // KVANT_OPS_PACK_INT4_CUDA_CUH_
