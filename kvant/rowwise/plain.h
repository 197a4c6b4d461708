// The everyday call: row-major tensors, pertoken, nothing optional. Checked at a glance and, for a short row, done
// without a plan, because checks and plan take longer than its elements.
#ifndef KVANT_ROWWISE_PLAIN_H_
#define KVANT_ROWWISE_PLAIN_H_

#include "kvant/rowwise/plan.h"

namespace kvant {

struct PlainRows {
  const RowKernels* kernels;
  Format format;
  DType x_dtype;
  int64_t rows, columns;
  char* x;
  char* y;
  char* scale;
  char* offset;  // null when symmetric
};

// True if every rule can be seen to hold and the work is that of one task; false means nothing more than that the rules
// have to be asked. `offset` is absent when symmetric.
bool FindPlainRows(Format format, bool asymmetric, const ConstTensorView& x, const ConstTensorView& y,
                   const ConstTensorView& scale, const ConstTensorView& offset, PlainRows* rows);

// Measures and encodes them.
void QuantizePlainRows(const PlainRows& rows);

}  // namespace kvant

#endif  // KVANT_ROWWISE_PLAIN_H_
