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

// Op is done to words of neighbouring columns where plan.vectors says so, else to columns one by one. It has
//   static constexpr int kStep                                          columns of a word
//   Word Read(const CudaElements&, const GridStretch&, int64_t column)
//   Context Prepare(const CudaElements&, const GridStretch&)              what is the same to all words of a stretch
//   void Write(const CudaElements&, const GridStretch&, int64_t column, const Word&, const Context&)
//   bool TakesWords(const Context&)                                       false: WriteRarely is to be used instead
//   void WriteRarely(const CudaElements&, const GridStretch&, int64_t column, const Word&)
//   void Columns(const CudaElements&, const GridStretch&, int t, int width)   a thread's share, one by one
//   void Clear(const CudaElements&, const GridStretch&, int t, int width)     the same of a skipped update
//   static constexpr bool kClears                                             whether there is the latter
//   static constexpr bool kReadsByIndex                                       whether what is read depends on an index
// One without words inherits them from ColumnsOnly.
struct ColumnsOnly {
  static constexpr bool kClears = false, kReadsByIndex = true;
  static constexpr int kStep = 0;
  using Word = Packed<4>;
  struct Context {};

  KVANT_INLINE Context Prepare(const CudaElements&, const GridStretch&) const { return {}; }
  template <class Context>
  KVANT_INLINE static constexpr bool TakesWords(const Context&) {
    return true;
  }
  template <class Word>
  KVANT_INLINE void WriteRarely(const CudaElements&, const GridStretch&, int64_t, const Word&) const {}
};

// A part of a row at a time. kLean: of plans with words, in which nobody asks whether a later update writes a place
// too.
template <class Op, bool kLean>
class GridKernel {
 public:
  GridKernel(const CudaElements& plan, const Op& op) : plan_(plan), op_(op) {}

  template <class Team>
  KVANT_HOST_DEVICE void operator()(Team& team) const {
    typename Team::template Own<Held> held(team);
    const int64_t units = plan_.rows * plan_.segments, all = units * plan_.updates();
    for (int64_t i = team.index(); i < all; i += team.count()) {
      const Divided update = Divide(i, units), row = Divide(update.remainder, plan_.segments);
      GridStretch stretch;
      Locate(plan_.grid, plan_.grid.rank - 1, row.quotient, stretch.offset);
      stretch.from = row.remainder * plan_.segment_size;
      const int64_t end = stretch.from + plan_.segment_size;
      stretch.to = end < plan_.grid.columns() ? end : plan_.grid.columns();
      const bool scatters = plan_.scatter.on;
      if (scatters) {
        KVANT_UNROLL
        for (int k = 0; k < kGridTensors; ++k) stretch.offset[k] += update.quotient * plan_.scatter.update_stride[k];
      }
      // What is read is asked for before the index is there, where it does not depend on it.
      constexpr bool kEarly = kLean && !Op::kReadsByIndex;
      if constexpr (kEarly) ReadWords(team, stretch, stretch.from, &held);
      if (scatters && !Aim(team, update.quotient, &stretch)) continue;
      if constexpr (kLean) {
        Do(team, stretch, kEarly, &held);
      } else {
        team.Each([&](int t) { op_.Columns(plan_, stretch, t, team.width()); });
      }
    }
  }

 private:
  struct Held {
    typename Op::Word word[kWordsInHand];
  };

  // Moves a stretch to the place that an index names. False: nothing is left to do.
  template <class Team>
  KVANT_INLINE bool Aim(const Team& team, int64_t update, GridStretch* stretch) const {
    const CudaScatter& s = plan_.scatter;
    ScatterPlace to;
    if (!s.index.Decode(update, &to)) {
      team.Each([&](int t) {
        if (t == 0) ReportRarely(plan_, update);
        if constexpr (Op::kClears) op_.Clear(plan_, *stretch, t, team.width());
      });
      return false;
    }
    KVANT_UNROLL
    for (int k = 0; k < kGridTensors; ++k) {
      stretch->offset[k] += to.first * s.first_stride[k] + to.start * s.axis_stride[k];
    }
    if constexpr (kLean) {
      return true;
    } else {
      return plan_.position < 0 || !DoJudged(team, update, to, *stretch);
    }
  }

  // Of deterministic calls: whether all columns that are not written later are done, or none is to be.
  template <class Team>
  KVANT_INLINE bool DoJudged(const Team& team, int64_t update, const ScatterPlace& to,
                             const GridStretch& stretch) const {
    int64_t position = to.start;
    KVANT_UNROLL
    for (int k = 0; k < kGridTensors; ++k) {  // an index that is not constant would move the array out of registers
      if (k == plan_.position) position += stretch.offset[k];
    }
    const int64_t step = plan_.grid.column_stride(plan_.position);
    if (step == 0) return IsOverwritten(team, plan_.scatter, update, to.first, position);
    // The axis is among the columns: each is judged on its own.
    for (int64_t c = stretch.from; c < stretch.to; ++c) {
      if (IsOverwritten(team, plan_.scatter, update, to.first, position + c * step)) continue;
      GridStretch one = stretch;
      one.from = c;
      one.to = c + 1;
      team.Each([&](int t) { op_.Columns(plan_, one, t, team.width()); });
    }
    return true;
  }

  // All columns of a stretch, in words. `read`: the first are there.
  template <class Team>
  KVANT_INLINE void Do(const Team& team, const GridStretch& stretch, bool read,
                       typename Team::template Own<Held>* held) const {
    const auto context = op_.Prepare(plan_, stretch);
    if (!op_.TakesWords(context)) {
      team.Each([&](int t) {
        KVANT_NO_UNROLL
        for (int64_t c = ColumnOf(team, stretch.from, t, 0); c < stretch.to; c += Op::kStep * team.width()) {
          op_.WriteRarely(plan_, stretch, c, op_.Read(plan_, stretch, c));
        }
      });
      return;
    }
    KVANT_NO_UNROLL
    for (int64_t from = stretch.from; from < stretch.to;
         from += static_cast<int64_t>(kWordsInHand * Op::kStep) * team.width()) {
      if (!read) ReadWords(team, stretch, from, held);
      read = false;
      team.Each([&](int t) {
        KVANT_UNROLL
        for (int i = 0; i < kWordsInHand; ++i) {
          const int64_t c = ColumnOf(team, from, t, i);
          if (c < stretch.to) op_.Write(plan_, stretch, c, (*held)[t].word[i], context);
        }
      });
    }
  }

  template <class Team>
  KVANT_INLINE static int64_t ColumnOf(const Team& team, int64_t from, int t, int i) {
    return from + static_cast<int64_t>(t + i * team.width()) * Op::kStep;
  }

  // Beyond the end the last word is read again.
  template <class Team>
  KVANT_INLINE void ReadWords(const Team& team, const GridStretch& stretch, int64_t from,
                              typename Team::template Own<Held>* held) const {
    team.Each([&](int t) {
      KVANT_UNROLL
      for (int i = 0; i < kWordsInHand; ++i) {
        const int64_t c = ColumnOf(team, from, t, i);
        (*held)[t].word[i] = op_.Read(plan_, stretch, c < stretch.to ? c : stretch.to - Op::kStep);
      }
    });
  }

  static KVANT_OUTLINE void ReportRarely(const CudaElements& plan, int64_t update) {
    RecordFault(plan.faults, plan.op, plan.scatter.index.FaultAt(update));
  }

  const CudaElements plan_;
  const Op op_;
};

// Calls launch(kernel) with the one that a plan needs.
template <class Op, class Launch>
Status DispatchGrid(const CudaElements& e, const Op& op, const Launch& launch) {
  if constexpr (Op::kStep != 0) {
    if (e.vectors && e.position < 0) return launch(GridKernel<Op, true>(e, op));
  }
  return launch(GridKernel<Op, false>(e, op));
}

// Bytes, in words of kBytes; strides count bytes. The grid's tensors are destination and source.
template <int kBytes>
struct CopyOp : ColumnsOnly {
  static constexpr bool kReadsByIndex = false;
  static constexpr int kStep = 1;
  using Word = Packed<kBytes>;

  KVANT_INLINE Word Read(const CudaElements& e, const GridStretch& s, int64_t column) const {
    return Load<kBytes>(e.data[1] + s.offset[1] + column * e.grid.column_stride(1));
  }
  KVANT_INLINE void Write(const CudaElements& e, const GridStretch& s, int64_t column, const Word& word,
                          Context) const {
    Store(e.data[0] + s.offset[0] + column * e.grid.column_stride(0), word);
  }
  KVANT_INLINE void Columns(const CudaElements& e, const GridStretch& s, int t, int width) const {
    for (int64_t c = s.from + t; c < s.to; c += width) Write(e, s, c, Read(e, s, c), {});
  }
};

template <class Launch>
Status DispatchCopy(int word, const CudaElements& e, const Launch& launch) {
  switch (word) {
    case 1:
      return DispatchGrid(e, CopyOp<1>{}, launch);
    case 2:
      return DispatchGrid(e, CopyOp<2>{}, launch);
    case 4:
      return DispatchGrid(e, CopyOp<4>{}, launch);
    case 8:
      return DispatchGrid(e, CopyOp<8>{}, launch);
    default:
      return DispatchGrid(e, CopyOp<16>{}, launch);
  }
}

}  // namespace kvant::cuda

#endif  // KVANT_ROWWISE_CUDA_GRID_CUH_
