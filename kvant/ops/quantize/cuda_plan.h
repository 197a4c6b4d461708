// quantize, and the quantizing half of quant_scatter, on a queue (rowwise/cuda_run.h).
#ifndef KVANT_OPS_QUANTIZE_CUDA_PLAN_H_
#define KVANT_OPS_QUANTIZE_CUDA_PLAN_H_

#include "kvant/ops/quantize/plan.h"
#include "kvant/ops/quantize/quantize.h"
#include "kvant/rowwise/cuda_grid.h"
#include "kvant/rowwise/cuda_run.h"

namespace kvant::quantize {

// The attributes of a call and where its scales and zero points are.
struct CudaParameters {
  Format format = Format::kInt8;
  bool hybrid = false;
  bool reciprocal = false;
  DType x_dtype = DType::kFloat32;
  Parameter scale, zero;  // zero.data null: none
};

inline CudaParameters ParametersOf(const QuantizeArgs& args) {
  return {args.dst_type,  args.round_mode == RoundMode::kHybrid, args.reciprocal_scale,
          args.x.dtype(), MakeParameter(args.quant_scales),      MakeParameter(args.quant_zero_points)};
}

// Of legal arguments with elements, before the grid is put in order.
inline CudaElements ElementsOf(const QuantizeArgs& args) {
  CudaElements e;
  e.data[kY] = static_cast<char*>(args.y.data());
  e.data[kX] = static_cast<char*>(const_cast<void*>(args.x.data()));
  return e;
}

// Whether the parameters of `elements` neighbouring columns are one, or aligned neighbours.
inline bool PackedParameter(const Parameter& p, const Grid& grid, int64_t elements) {
  if (p.data == nullptr || p.single || grid.column_stride(kIndex) == 0) return true;
  const int64_t bytes = ByteSize(p.dtype), word = std::min<int64_t>(elements * bytes, 16);
  bool packed = grid.column_stride(kIndex) == 1 && p.map.rank == 1 && p.map.stride[0] == bytes &&
                reinterpret_cast<uintptr_t>(p.data) % static_cast<uintptr_t>(word) == 0;
  for (int d = 0; d < grid.rank - 1; ++d) packed = packed && grid.dims[d].stride[kIndex] % elements == 0;
  return packed;
}

// `e` has its grid.
template <class Queue>
Status RunElements(Queue& queue, const CudaParameters& p, CudaElements e) {
  const int64_t x_bytes = ByteSize(p.x_dtype), elements = 16 / x_bytes, per_byte = p.format == Format::kInt4 ? 2 : 1;
  const bool position = e.position >= 0 && e.grid.column_stride(e.position) != 0;
  e.vectors = !position && e.grid.columns() % elements == 0 && e.grid.column_stride(kX) == x_bytes &&
              e.grid.column_stride(kY) == 1 && AlignedElements(e, kX, 16, 1) &&
              AlignedElements(e, kY, elements / per_byte, per_byte) && PackedParameter(p.scale, e.grid, elements) &&
              PackedParameter(p.zero, e.grid, elements);
  const CudaShape shape = CutElements(queue.traits, 8192, e.vectors ? kWordsInHand * elements : per_byte, &e);
  return LaunchQuantize(queue, p, e, shape);
}

}  // namespace kvant::quantize

#endif  // KVANT_OPS_QUANTIZE_CUDA_PLAN_H_
