// dynamic_quant_update_scatter_ on a queue (rowwise/cuda_run.h).
#ifndef KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_CUDA_PLAN_H_
#define KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_CUDA_PLAN_H_

#include "kvant/core/scatter_table.h"
#include "kvant/ops/dynamic_quant_update_scatter/rules.h"
#include "kvant/rowwise/cuda_run.h"

namespace kvant::dynamic_quant_update_scatter {

inline CudaRows PlanOf(const DynamicQuantUpdateScatterArgs& args, const CacheUpdate& cache, const ScatterIndex& index) {
  const ScatterGeometry& g = index.geometry();
  const ConstTensorView none{}, update = FirstUpdate(cache.updates);
  const TensorView codes = ScatterWindow(cache.var, g), scale = ScatterWindow(cache.var_scale, g);
  const TensorView offset = args.symmetric ? TensorView() : ScatterWindow(cache.var_offset, g);
  const float d = Info(args.dst_type).d;
  CudaRows plan = cuda::RowsOf(
      {kOp.data(), Stage::kBoth, !args.symmetric, false, args.dst_type, d, RangeFor(args.dst_type, d)},
      {kOp, update, args.smooth_scales, none, QuantMode::kPerToken, args.group_size}, {codes, scale, offset});
  plan.param_dtype = cache.var_scale.dtype();
  plan.negate_offset = args.negate_offset;
  CudaScatter& to = plan.scatter;
  to.on = true;
  to.index = index;
  to.rows_per_update = plan.rows;
  plan.rows *= g.updates;
  to.rows_per_position = plan.rows_per_token;
  if (g.mode != IndexMode::kSlot) {
    for (int dim = g.axis; dim < update.rank() - 1; ++dim) to.rows_per_position *= update.shape(dim);
  }
  to.update_stride[kRowX] = cache.updates.stride(0) * ByteSize(cache.updates.dtype());
  const ConstTensorView* tables[] = {nullptr, &cache.var, &cache.var_scale, &cache.var_offset};
  for (const int t : {kRowY, kRowScale, kRowOffset}) {
    if (!tables[t]->present()) continue;
    to.first_stride[t] = tables[t]->stride(0) * ByteSize(tables[t]->dtype());
    to.axis_stride[t] = tables[t]->stride(g.axis) * ByteSize(tables[t]->dtype());
  }
  return plan;
}

template <class Queue>
Status RunOn(Queue& queue, const DynamicQuantUpdateScatterArgs& given) {
  const DynamicQuantUpdateScatterArgs args = Canonical(given);
  ScatterGeometry geometry;
  KVANT_RETURN_IF_ERROR(Check(args, &geometry, queue.device));
  const ScatterIndex index(args.indices, geometry, args.index_policy);
  const CudaRows first = PlanOf(args, args, index);
  if (!args.second.var.present()) return cuda::RunRows(queue, first);
  return cuda::RunTwoRows(queue, first, PlanOf(args, args.second, index));
}

}  // namespace kvant::dynamic_quant_update_scatter

#endif  // KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_CUDA_PLAN_H_
