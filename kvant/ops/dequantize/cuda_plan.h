// dequantize, and the reading half of dequantize_gather, on a queue (rowwise/cuda_run.h).
#ifndef KVANT_OPS_DEQUANTIZE_CUDA_PLAN_H_
#define KVANT_OPS_DEQUANTIZE_CUDA_PLAN_H_

#include "kvant/ops/dequantize/plan.h"
#include "kvant/rowwise/cuda_grid.h"
#include "kvant/rowwise/cuda_run.h"

namespace kvant::dequantize {

struct CudaFormats {
  Format format = Format::kInt8;
  DType x_dtype = DType::kFloat32;
  DType param_dtype = DType::kFloat32;  // of scale and offset
  bool has_offset = false;
  bool negate = false;
};

inline CudaFormats FormatsOf(const DequantizeArgs& args) {
  return {args.dst_type, args.x.dtype(), args.scale.dtype(), args.offset.present(), args.negate_offset};
}

// Of checked arguments.
inline CudaElements ElementsOf(const DequantizeArgs& args) {
  CudaElements e;
  const auto data = [](const ConstTensorView& t) { return static_cast<char*>(const_cast<void*>(t.data())); };
  e.data[kX] = data(args.x);
  e.data[kCodes] = data(args.y);
  e.data[kScale] = data(args.scale);
  if (args.offset.present()) e.data[kOffset] = data(args.offset);
  e.grid = MakeGrid(args);
  return e;
}

template <class Queue>
Status RunElements(Queue& queue, const CudaFormats& f, CudaElements e) {
  const int64_t x_bytes = ByteSize(f.x_dtype), elements = 16 / x_bytes, per_byte = f.format == Format::kInt4 ? 2 : 1;
  e.vectors = e.grid.columns() % elements == 0 && e.grid.column_stride(kX) == x_bytes &&
              e.grid.column_stride(kCodes) == 1 && AlignedElements(e, kX, 16, 1) &&
              AlignedElements(e, kCodes, elements / per_byte, per_byte);
  const CudaShape shape = CutElements(queue.traits, 8192, e.vectors ? kWordsInHand * elements : 1, &e);
  return LaunchDequantize(queue, f, e, shape);
}

}  // namespace kvant::dequantize

#endif  // KVANT_OPS_DEQUANTIZE_CUDA_PLAN_H_
