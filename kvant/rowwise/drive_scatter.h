// Row-wise plans whose rows are written to places that indices name.
#ifndef KVANT_ROWWISE_DRIVE_SCATTER_H_
#define KVANT_ROWWISE_DRIVE_SCATTER_H_

#include <span>

#include "kvant/core/scatter_table.h"
#include "kvant/rowwise/plan.h"

namespace kvant {

// Where the rows of a plan go instead of y, scale and offset. Rows of the plan are those of update 0, then of
// update 1...
struct RowScatter {
  ScatterCut cut;  // in units of rows
  int64_t rows_per_update = 0;
  ScatterTable y, scale, offset;
};

// How many tasks the rows of a plan are worth.
int ScatterTasks(const RowwisePlan& plan, int threads);

// Runs plans of stage kBoth, pertoken, that have a `scatter`; share t of all of them is one task. Rows with the same
// place: the later one stays.
void RunScatter(std::span<const RowwisePlan> plans, const ExecOptions& exec);

}  // namespace kvant

#endif  // KVANT_ROWWISE_DRIVE_SCATTER_H_
