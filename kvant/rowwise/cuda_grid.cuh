// Kernels over the elements of a grid, written once over a team.
#ifndef KVANT_ROWWISE_CUDA_GRID_CUH_
#define KVANT_ROWWISE_CUDA_GRID_CUH_

#include "kvant/rowwise/cuda_grid.h"
#include "kvant/rowwise/cuda_places.cuh"

namespace kvant::cuda {

// A part of a row: where column 0 lies in each tensor, in the grid's units, and the columns.
struct GridStretch {
  int64_t offset[kGridTensors];
  int64_t from, to;
};

// Op has
//   void Columns(const CudaElements&, const GridStretch&, int t, int width) const   a thread's share of a stretch
//   void Clear(const CudaElements&, const GridStretch&, int t, int width) const     the same of a skipped update
//   static constexpr bool kClears                                                   whether there is the latter
template <class Op>
struct GridKernel {
  CudaElements plan;
  Op op;

  template <class Team>
  KVANT_HOST_DEVICE void operator()(Team& team) const {
    const int64_t units = plan.rows * plan.segments;
    for (int64_t i = team.index(); i < units * (plan.scatter.on ? plan.scatter.index.geometry().updates : 1);
         i += team.count()) {
      const Divided update = Divide(i, units), row = Divide(update.remainder, plan.segments);
      GridStretch stretch;
      Locate(plan.grid, plan.grid.rank - 1, row.quotient, stretch.offset);
      stretch.from = row.remainder * plan.segment_size;
      const int64_t end = stretch.from + plan.segment_size;
      stretch.to = end < plan.grid.columns() ? end : plan.grid.columns();
      if (!plan.scatter.on) {
        team.Each([&](int t) { op.Columns(plan, stretch, t, team.width()); });
      } else {
        Update(team, update.quotient, stretch);
      }
    }
  }

 private:
  template <class Team>
  KVANT_INLINE void Update(Team& team, int64_t update, GridStretch& stretch) const {
    const CudaScatter& s = plan.scatter;
    ScatterPlace to;
    const bool reached = s.index.Decode(update, &to);
    KVANT_UNROLL
    for (int k = 0; k < kGridTensors; ++k) {
      stretch.offset[k] += update * s.update_stride[k];
      if (reached) stretch.offset[k] += to.first * s.first_stride[k] + to.start * s.axis_stride[k];
    }
    if (!reached) {
      ReportSkipped(team, s, update, plan.faults, plan.op);
      if constexpr (Op::kClears) team.Each([&](int t) { op.Clear(plan, stretch, t, team.width()); });
      return;
    }
    if (plan.position >= 0) {
      int64_t position = to.start;
      KVANT_UNROLL
      for (int k = 0; k < kGridTensors; ++k) {  // an index that is not constant would move the array out of registers
        if (k == plan.position) position += stretch.offset[k];
      }
      const int64_t step = plan.grid.column_stride(plan.position);
      if (step == 0) {
        if (IsOverwritten(team, s, update, to.first, position)) return;
      } else {  // the axis is among the columns: each is judged on its own
        for (int64_t c = stretch.from; c < stretch.to; ++c) {
          if (IsOverwritten(team, s, update, to.first, position + c * step)) continue;
          const GridStretch one = Column(stretch, c);
          team.Each([&](int t) { op.Columns(plan, one, t, team.width()); });
        }
        return;
      }
    }
    team.Each([&](int t) { op.Columns(plan, stretch, t, team.width()); });
  }

  KVANT_INLINE GridStretch Column(const GridStretch& stretch, int64_t column) const {
    GridStretch one = stretch;
    one.from = column;
    one.to = column + 1;
    return one;
  }
};

// Bytes, in words of kBytes; strides count bytes. The grid's tensors are destination and source.
template <int kBytes>
struct CopyOp {
  static constexpr bool kClears = false;

  KVANT_INLINE void Columns(const CudaElements& e, const GridStretch& s, int t, int width) const {
    const char* from = e.data[1] + s.offset[1];
    char* to = e.data[0] + s.offset[0];
    for (int64_t c = s.from + t; c < s.to; c += width) {
      Store(to + c * e.grid.column_stride(0), Load<kBytes>(from + c * e.grid.column_stride(1)));
    }
  }
};

template <class Launch>
Status DispatchCopy(int word, const CudaElements& e, const Launch& launch) {
  switch (word) {
    case 1:
      return launch(GridKernel<CopyOp<1>>{e, {}});
    case 2:
      return launch(GridKernel<CopyOp<2>>{e, {}});
    case 4:
      return launch(GridKernel<CopyOp<4>>{e, {}});
    case 8:
      return launch(GridKernel<CopyOp<8>>{e, {}});
    default:
      return launch(GridKernel<CopyOp<16>>{e, {}});
  }
}

}  // namespace kvant::cuda

#endif  // KVANT_ROWWISE_CUDA_GRID_CUH_
