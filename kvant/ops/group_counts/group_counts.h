// Groups of consecutive rows are told in two ways that software has confused: as cumulative end rows (dynamic_quant)
// and as how many rows each has (dequant_swiglu_quant). From one to the other.
#ifndef KVANT_OPS_GROUP_COUNTS_GROUP_COUNTS_H_
#define KVANT_OPS_GROUP_COUNTS_GROUP_COUNTS_H_

#include "kvant/core/status.h"
#include "kvant/core/tensor.h"

namespace kvant {

// counts[i] = ends[i] - ends[i - 1], with ends[-1] = 0. Both int32 or int64, each its own; [G], any strides.
//
// Fails, before anything is written, with
//   kInvalidType   another dtype
//   kInvalidValue  another shape, results that overlap themselves or the input
//   kOutOfRange    a negative end, one that is less than the one before it, a result that its dtype cannot hold
Status CountsFromEnds(const ConstTensorView& ends, const TensorView& counts);

// ends[i] = counts[0] + ... + counts[i]. Fails likewise; kOutOfRange: a negative count, a sum too large for the dtype.
Status EndsFromCounts(const ConstTensorView& counts, const TensorView& ends);

}  // namespace kvant

#endif  // KVANT_OPS_GROUP_COUNTS_GROUP_COUNTS_H_
