// Walks the rows of a plan with the kernels of a target. Each function runs the share [begin, end) of one task.
#ifndef KVANT_ROWWISE_DRIVE_ROWS_H_
#define KVANT_ROWWISE_DRIVE_ROWS_H_

#include "kvant/rowwise/plan.h"

namespace kvant {

// Whole rows: statistics and codes of a row while it is in cache.
void DriveRows(const RowwisePlan& plan, int64_t begin, int64_t end);

// Pieces of rows, row by row, `plan.segments` to a row. pertensor: statistics of all pieces of a task go to
// partial[task]; else those of a piece to partial[piece].
void MeasureSegments(const RowwisePlan& plan, int task, int64_t begin, int64_t end, MinMaxBits* partial);
// Codes (or, for kMeasure, results) once all of `partial` is there.
void EncodeSegments(const RowwisePlan& plan, int64_t begin, int64_t end, const MinMaxBits* partial);

// Panels of columns of a perchannel plan: leads x panels units, each measured and encoded while in cache.
void DrivePanels(const RowwisePlan& plan, int64_t begin, int64_t end);
// The same in two phases, leads x segments units of dimension -2: partial holds segments x columns minima, then as many
// maxima, for each lead.
void MeasureColumns(const RowwisePlan& plan, int64_t begin, int64_t end, int32_t* partial);
void EncodeColumnSegments(const RowwisePlan& plan, int64_t begin, int64_t end, const int32_t* partial);

}  // namespace kvant

#endif  // KVANT_ROWWISE_DRIVE_ROWS_H_
