// Elementwise problems: several tensors of one shape walked together, whatever their strides. Dimensions are put into
// the order in which the first tensor lies in memory and joined where all tensors allow it, so that a contiguous tensor
// is one row and a transposed one is not walked against its grain.
#ifndef KVANT_ROWWISE_GRID_H_
#define KVANT_ROWWISE_GRID_H_

#include <algorithm>
#include <cstdint>

#include "kvant/core/exec.h"
#include "kvant/core/macros.h"
#include "kvant/core/tensor.h"

namespace kvant {

inline constexpr int kGridTensors = 4;

// Strides are in units of the caller's choice, tensor by tensor: bytes, or elements where two share a byte. A tensor
// that does not vary along a dimension has stride 0 there. The last dimension is the columns, all others make rows.
struct Grid {
  struct Dim {
    int64_t extent;
    int64_t stride[kGridTensors];
  };
  int rank = 0;
  Dim dims[kMaxRank + 2];

  Grid() {}  // NOLINT(modernize-use-equals-default): keeps {} from clearing the unused dimensions
  Grid(const Grid& o) { *this = o; }
  Grid& operator=(const Grid& o) {
    rank = o.rank;
    for (int d = 0; d < rank; ++d) dims[d] = o.dims[d];
    return *this;
  }

  // Adds a dimension inside those there are.
  void Add(const Dim& dim) { dims[rank++] = dim; }

  // To be called once, after the last Add. With keep_last the last dimension stays the last one (its elements are
  // packed), and more may join it.
  void Normalize(bool keep_last);
  // The half of it that keeps the order: leaves out extents of 1 (but the last dimension with keep_last) and joins
  // dimensions that can be walked as one. Leaves at least one.
  void Join(bool keep_last);
  // After that: all of it again and again along a dimension outside it, joined likewise.
  void Repeat(const Dim& outside, bool keep_last);

  KVANT_HOST_DEVICE int64_t columns() const { return dims[rank - 1].extent; }
  KVANT_HOST_DEVICE int64_t column_stride(int tensor) const { return dims[rank - 1].stride[tensor]; }
  // Of consecutive rows of a run; see GridRows.
  int64_t row_stride(int tensor) const { return rank < 2 ? 0 : dims[rank - 2].stride[tensor]; }
  int64_t rows() const;

 private:
  void DropOnes(bool keep_last);
};

// Visits rows in order, by runs with a constant distance in every tensor.
class GridRows {
 public:
  GridRows(const Grid& grid, int64_t first_row);

  // Where the current row starts, and how many rows the run has from there.
  int64_t offset(int tensor) const { return offset_[tensor]; }
  int64_t run() const { return run_; }
  // `rows` is at most run().
  void Advance(int64_t rows) {
    row_ += rows;
    run_ -= rows;
    if (run_ == 0) return Locate();
    for (int t = 0; t < kGridTensors; ++t) offset_[t] += rows * grid_.row_stride(t);
  }

 private:
  void Locate();

  const Grid& grid_;
  int64_t row_;
  int64_t run_ = 0;
  int64_t offset_[kGridTensors];
};

// Part of a grid: columns [column, column_end) of rows [row, row_end).
struct GridPart {
  int64_t row, row_end;
  int64_t column, column_end;
};

// How a grid, or several alike, are spread over tasks: by rows, or, where there are few, by rows cut into segments.
struct GridCut {
  int tasks = 1;
  int64_t segments = 1;
  int64_t segment_size = 0;

  // Pieces of one grid.
  int64_t Units(const Grid& grid) const { return grid.rows() * segments; }
};
GridCut CutGrid(const Grid& grid, const ExecOptions& exec, int64_t grids = 1);

// Of `all`, which is `one` after Repeat: the first `count` of them.
GridPart FirstRepeats(const Grid& one, const Grid& all, int64_t count);

// Calls f(part) for parts that make up the units [begin, end) of a grid.
template <class Function>
void ForEachPart(const Grid& grid, const GridCut& cut, int64_t begin, int64_t end, const Function& f) {
  const int64_t columns = grid.columns();
  while (begin < end) {
    const int64_t row = begin / cut.segments, segment = begin - row * cut.segments;
    const int64_t left = end - begin;
    if (segment == 0 && left >= cut.segments) {
      const int64_t rows = left / cut.segments;
      f(GridPart{row, row + rows, 0, columns});
      begin += rows * cut.segments;
    } else {
      const int64_t last = std::min(segment + left, cut.segments);
      f(GridPart{row, row + 1, segment * cut.segment_size, std::min(last * cut.segment_size, columns)});
      begin += last - segment;
    }
  }
}

// Calls body once or more on each task, for parts that make up the grid.
void RunGrid(const Grid& grid, const GridCut& cut, const ExecOptions& exec,
             void (*body)(const void* plan, const GridPart& part), const void* plan);

}  // namespace kvant

#endif  // KVANT_ROWWISE_GRID_H_
