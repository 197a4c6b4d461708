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

// What the rows are as a plan.
void PlanPlainRows(const PlainRows& rows, RowwisePlan* plan);

// Of such tensors: one of the host, with that dtype and rank.
inline bool IsHere(const ConstTensorView& t, DType dtype, int rank) {
  return t.rank() == rank && t.dtype() == dtype && t.data() != nullptr && t.device() == Device::kCpu;
}

// Memory of a row-major tensor.
struct ByteRange {
  const char* begin;
  int64_t size;

  bool Meets(const ByteRange& o) const { return begin < o.begin + o.size && o.begin < begin + size; }
};

}  // namespace kvant

#endif  // KVANT_ROWWISE_PLAIN_H_
