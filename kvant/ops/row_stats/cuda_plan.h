// row_minmax and row_amax on a queue (rowwise/cuda_run.h).
#ifndef KVANT_OPS_ROW_STATS_CUDA_PLAN_H_
#define KVANT_OPS_ROW_STATS_CUDA_PLAN_H_

#include "kvant/ops/row_stats/rules.h"
#include "kvant/rowwise/cuda_run.h"

namespace kvant::row_stats {

inline cuda::RowwiseFlags Flags(const char* op, bool amax_only) {
  return {op, Stage::kMeasure, false, amax_only, Format::kInt8, 0, 0};
}

template <class Queue>
Status RunOn(Queue& queue, const char* op, const RowStatsArgs& args, NamedTensor first, NamedTensor second) {
  KVANT_RETURN_IF_ERROR(Check(op, args, first, second, queue.device));
  const ConstTensorView none{};
  return cuda::RunRowwise(queue, Flags(op, !second.tensor.present()), Inputs(op, args),
                          {none, first.tensor, second.tensor});
}

template <class Queue>
Status MinMaxOn(Queue& queue, const RowStatsArgs& args) {
  KVANT_RETURN_IF_ERROR(CheckPresent("row_minmax", {"max", args.max}));
  return RunOn(queue, "row_minmax", args, {"min", args.min}, {"max", args.max});
}

template <class Queue>
Status AmaxOn(Queue& queue, const RowStatsArgs& args) {
  const ConstTensorView none{};
  return RunOn(queue, "row_amax", args, {"amax", args.amax}, {"", none});
}

}  // namespace kvant::row_stats

#endif  // KVANT_OPS_ROW_STATS_CUDA_PLAN_H_
