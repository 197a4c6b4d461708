// row_minmax and row_amax on the current CUDA device.
#ifndef KVANT_OPS_ROW_STATS_CUDA_H_
#define KVANT_OPS_ROW_STATS_CUDA_H_

#include "kvant/core/cuda_exec.h"
#include "kvant/ops/row_stats/row_stats.h"

namespace kvant::cuda {

// As in kvant, of tensors in device memory, as work on exec.stream: nothing is allocated and nothing waited for. Groups
// and workspace as for DynamicQuant; a row without a group has the statistics 0.
Status RowMinMax(const RowStatsArgs& args, const Exec& exec = {});
Status RowAmax(const RowStatsArgs& args, const Exec& exec = {});
int64_t RowStatsWorkspace(const RowStatsArgs& args);

}  // namespace kvant::cuda

#endif  // KVANT_OPS_ROW_STATS_CUDA_H_
