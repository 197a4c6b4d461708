// Elementwise problems for CUDA: a grid (rowwise/grid.h) of one tensor or, with a scatter, of one update. Plain data.
#ifndef KVANT_ROWWISE_CUDA_GRID_H_
#define KVANT_ROWWISE_CUDA_GRID_H_

#include "kvant/core/scatter_index.h"
#include "kvant/core/scatter_table.h"
#include "kvant/rowwise/cuda_rows.h"
#include "kvant/rowwise/cuda_tuning.h"
#include "kvant/rowwise/grid.h"

namespace kvant {

// Words that a thread of GridKernel asks for before it uses the first.
inline constexpr int kWordsInHand = 4;

struct CudaElements {
  const char* op = "";
  CudaFaultRecord* faults = nullptr;
  Grid grid;
  char* data[kGridTensors] = {};
  CudaScatter scatter;
  int position = -1;  // the grid's tensor whose offset is the position along the axis; -1: not asked for
  int64_t rows = 0;   // of one update
  int64_t segments = 1, segment_size = 0;  // of the columns
  bool vectors = false;                    // words of the kernel's choice are aligned and whole

  KVANT_HOST_DEVICE int64_t updates() const { return scatter.on ? scatter.index.geometry().updates : 1; }
};

// `t` as what tensor `tensor` of the grid reads or writes at the place of an update; `unit` is how many of the grid's
// units an element of t has.
inline void ReachByIndex(const ConstTensorView& t, int tensor, int64_t unit, CudaElements* e) {
  if (!t.present()) return;
  e->scatter.first_stride[tensor] = t.stride(0) * unit;
  e->scatter.axis_stride[tensor] = t.stride(e->scatter.index.geometry().axis) * unit;
}
inline void ReachByUpdate(const ConstTensorView& t, int tensor, int64_t unit, CudaElements* e) {
  e->scatter.update_stride[tensor] = t.stride(0) * unit;
}

// Cuts the columns into pieces of about `piece`, a multiple of what a team of any width has in hand, and chooses a
// shape for threads that do so many columns at once.
inline CudaShape CutElements(const CudaTraits& traits, int64_t piece, int64_t per_thread, CudaElements* e) {
  const int64_t columns = e->grid.columns();
  e->rows = e->grid.rows();
  e->segments = std::max<int64_t>(CeilDiv(columns, piece), 1);
  e->segment_size = e->segments == 1 ? columns : piece;
  return ChooseUnits(traits, e->updates() * e->rows * e->segments, CeilDiv(e->segment_size, per_thread));
}

// Whether the tensor, in units of bytes / `per_byte`, can be read or written in whole words of `bytes` at every row and
// place.
inline bool AlignedElements(const CudaElements& e, int tensor, int64_t bytes, int64_t per_byte) {
  const int64_t units = bytes * per_byte;
  bool aligned = reinterpret_cast<uintptr_t>(e.data[tensor]) % static_cast<uintptr_t>(bytes) == 0;
  for (int d = 0; d < e.grid.rank - 1; ++d) aligned = aligned && e.grid.dims[d].stride[tensor] % units == 0;
  return aligned && e.scatter.first_stride[tensor] % units == 0 && e.scatter.axis_stride[tensor] % units == 0 &&
         e.scatter.update_stride[tensor] % units == 0;
}

}  // namespace kvant

#endif  // KVANT_ROWWISE_CUDA_GRID_H_
