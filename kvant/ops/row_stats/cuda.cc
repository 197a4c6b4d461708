#include "kvant/ops/row_stats/cuda.h"

#include "kvant/ops/row_stats/cuda_plan.h"
#include "kvant/rowwise/cuda_queue.h"

namespace kvant::cuda {

Status RowMinMax(const RowStatsArgs& args, const Exec& exec) {
  Queue queue;
  KVANT_RETURN_IF_ERROR(OpenQueue(exec, &queue));
  return row_stats::MinMaxOn(queue, args);
}

Status RowAmax(const RowStatsArgs& args, const Exec& exec) {
  Queue queue;
  KVANT_RETURN_IF_ERROR(OpenQueue(exec, &queue));
  return row_stats::AmaxOn(queue, args);
}

int64_t RowStatsWorkspace(const RowStatsArgs& args) {
  const RowwiseInputs in = row_stats::Inputs("row_stats", args);
  if (!CheckInputs(in).ok()) return 0;
  const ConstTensorView none{};
  return RowwiseWorkspace(row_stats::Flags("", false), in, {none, none, none});
}

}  // namespace kvant::cuda
