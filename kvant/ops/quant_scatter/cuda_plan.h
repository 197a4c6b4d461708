// quant_scatter on a queue (rowwise/cuda_run.h).
#ifndef KVANT_OPS_QUANT_SCATTER_CUDA_PLAN_H_
#define KVANT_OPS_QUANT_SCATTER_CUDA_PLAN_H_

#include "kvant/ops/quant_scatter/rules.h"
#include "kvant/ops/quantize/cuda_plan.h"
#include "kvant/ops/scatter_update/cuda_plan.h"

namespace kvant::quant_scatter {

inline constexpr int kPosition = 3;  // the grid's tensor that quantize leaves free

template <class Queue, class Args>
Status ScatterOn(Queue& queue, const char* op, const TensorView& self, const ScatterIndex& index, const Args& args) {
  if (args.updates.elements() == 0) return {};
  const ScatterGeometry& g = index.geometry();
  QuantizeArgs update;
  update.x = FirstUpdate(args.updates);
  update.quant_scales = args.quant_scales;
  update.quant_zero_points = args.quant_zero_points;
  update.dst_type = args.dst_type;
  update.reciprocal_scale = args.reciprocal_scale;
  update.round_mode = args.round_mode;
  update.y = ScatterWindow(self, g);
  CudaElements e = quantize::ElementsOf(update);
  const bool positions = queue.deterministic && g.mode != IndexMode::kSlot;
  e.grid = quantize::MakeGrid(update, positions ? g.axis - 1 : -1, kPosition);
  e.op = op;
  e.faults = queue.faults;
  e.scatter.on = true;
  e.scatter.index = index;
  e.scatter.deterministic = queue.deterministic;
  if (queue.deterministic) e.position = kPosition;
  ReachByIndex(self, quantize::kY, 1, &e);
  ReachByUpdate(args.updates, quantize::kX, ByteSize(args.updates.dtype()), &e);
  return quantize::RunElements(queue, quantize::ParametersOf(update), e);
}

template <class Queue>
Status RunOn(Queue& queue, const QuantScatterInPlaceArgs& args) {
  ScatterGeometry geometry;
  KVANT_RETURN_IF_ERROR(Check(args, &geometry, queue.device));
  const ScatterIndex index(args.indices, geometry, args.index_policy);
  return ScatterOn(queue, kInPlace.data(), args.self, index, args);
}

template <class Queue>
Status RunOn(Queue& queue, const QuantScatterArgs& args) {
  ScatterGeometry geometry;
  KVANT_RETURN_IF_ERROR(Check(args, &geometry, queue.device));
  const ScatterIndex index(args.indices, geometry, args.index_policy);
  KVANT_RETURN_IF_ERROR(scatter_update::CopyOn(queue, args.out, args.self));
  return ScatterOn(queue, kOp.data(), args.out, index, args);
}

}  // namespace kvant::quant_scatter

#endif  // KVANT_OPS_QUANT_SCATTER_CUDA_PLAN_H_
