// dequantize_gather on a queue (rowwise/cuda_run.h).
#ifndef KVANT_OPS_DEQUANTIZE_GATHER_CUDA_PLAN_H_
#define KVANT_OPS_DEQUANTIZE_GATHER_CUDA_PLAN_H_

#include "kvant/ops/dequantize/cuda_plan.h"
#include "kvant/ops/dequantize_gather/rules.h"
#include "kvant/rowwise/rules.h"

namespace kvant::dequantize_gather {

template <class Queue>
Status RunOn(Queue& queue, const DequantizeGatherArgs& given) {
  const DequantizeGatherArgs args = Canonical(given);
  ScatterGeometry g;
  TensorSpec spec;
  KVANT_RETURN_IF_ERROR(CheckPresent(kOp, {"x", args.x}));
  KVANT_RETURN_IF_ERROR(CheckInputs(args, args.x.dtype(), &g, &spec));
  KVANT_RETURN_IF_ERROR(CheckOutput(args, spec, queue.device));
  if (spec.elements() == 0) return {};
  const auto window = [&](const ConstTensorView& t) {
    const TensorView writable(const_cast<void*>(t.data()), t.dtype(), t.shape(), t.strides());
    return ScatterWindow(writable, g);
  };
  const ConstTensorView first = FirstUpdate(args.x);
  DequantizeArgs one;
  one.y = window(args.var);
  one.scale = window(args.var_scale);
  if (args.var_offset.present()) one.offset = window(args.var_offset);
  one.dst_type = args.dst_type;
  one.group_size = args.group_size;
  one.negate_offset = args.negate_offset;
  one.x = TensorView(const_cast<void*>(first.data()), first.dtype(), first.shape(), first.strides());
  CudaElements e = dequantize::ElementsOf(one);
  e.op = kOp.data();
  e.faults = queue.faults;
  e.scatter.on = true;
  e.scatter.index = ScatterIndex(args.indices, g, args.index_policy);
  ReachByUpdate(args.x, dequantize::kX, ByteSize(args.x.dtype()), &e);
  ReachByIndex(args.var, dequantize::kCodes, CodesPerElement(args.dst_type, args.var.dtype()), &e);
  ReachByIndex(args.var_scale, dequantize::kScale, ByteSize(args.var_scale.dtype()), &e);
  ReachByIndex(args.var_offset, dequantize::kOffset, ByteSize(args.var_scale.dtype()), &e);
  return dequantize::RunElements(queue, dequantize::FormatsOf(one), e);
}

}  // namespace kvant::dequantize_gather

#endif  // KVANT_OPS_DEQUANTIZE_GATHER_CUDA_PLAN_H_
