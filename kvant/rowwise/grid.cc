#include "kvant/rowwise/grid.h"

#include <algorithm>

#include "kvant/rowwise/cpu_tuning.h"

namespace kvant {
namespace {

// Rows per task from which an uneven last share does not matter.
constexpr int64_t kManyRows = 8;

int64_t Magnitude(int64_t stride) { return stride < 0 ? -stride : stride; }

bool Continues(const Grid::Dim& outer, const Grid::Dim& inner) {
  for (int t = 0; t < kGridTensors; ++t) {
    if (outer.stride[t] != inner.stride[t] * inner.extent) return false;
  }
  return true;
}

struct Job {
  const Grid* grid;
  const GridCut* cut;
  void (*body)(const void* plan, const GridPart& part);
  const void* plan;
};

void RunTask(void* arg, int task) {
  const Job& job = *static_cast<const Job*>(arg);
  const GridCut& cut = *job.cut;
  const int64_t units = cut.Units(*job.grid);
  ForEachPart(*job.grid, cut, units * task / cut.tasks, units * (task + 1) / cut.tasks,
              [&](const GridPart& part) { job.body(job.plan, part); });
}

}  // namespace

void Grid::Repeat(const Dim& outside, bool keep_last) {
  std::copy_backward(dims, dims + rank, dims + rank + 1);
  dims[0] = outside;
  ++rank;
  Join(keep_last);
}

void Grid::Normalize(bool keep_last) {
  DropOnes(keep_last);
  // Insertion from the left keeps equal strides in their order.
  for (int d = 1; d < rank - (keep_last ? 1 : 0); ++d) {
    const Dim dim = dims[d];
    int at = d;
    for (; at > 0 && Magnitude(dims[at - 1].stride[0]) < Magnitude(dim.stride[0]); --at) dims[at] = dims[at - 1];
    dims[at] = dim;
  }
  Join(keep_last);
}

void Grid::DropOnes(bool keep_last) {
  int kept = 0;
  for (int d = 0; d < rank; ++d) {
    const bool last = keep_last && d == rank - 1;
    if (dims[d].extent != 1 || last) dims[kept++] = dims[d];
  }
  rank = kept;
  if (rank == 0) Add({1, {}});
}

void Grid::Join(bool keep_last) {
  DropOnes(keep_last);
  int joined = 0;
  for (int d = 1; d < rank; ++d) {
    if (Continues(dims[joined], dims[d])) {
      const int64_t extent = dims[joined].extent * dims[d].extent;
      dims[joined] = dims[d];
      dims[joined].extent = extent;
    } else {
      dims[++joined] = dims[d];
    }
  }
  rank = joined + 1;
}

int64_t Grid::rows() const {
  int64_t n = 1;
  for (int d = 0; d < rank - 1; ++d) n *= dims[d].extent;
  return n;
}

GridRows::GridRows(const Grid& grid, int64_t first_row) : grid_(grid), row_(first_row) { Locate(); }

void GridRows::Locate() {
  std::fill_n(offset_, kGridTensors, 0);
  if (grid_.rank < 2) {
    run_ = 1;
    return;
  }
  int64_t index = row_;
  for (int d = grid_.rank - 2; d >= 0; --d) {
    const Grid::Dim& dim = grid_.dims[d];
    const int64_t at = d == 0 ? index : index % dim.extent;
    index /= dim.extent;
    if (d == grid_.rank - 2) run_ = dim.extent - at;
    for (int t = 0; t < kGridTensors; ++t) offset_[t] += at * dim.stride[t];
  }
}

GridPart FirstRepeats(const Grid& one, const Grid& all, int64_t count) {
  const int64_t columns = one.columns();
  if (all.columns() != columns) return {0, 1, 0, count * columns};
  return {0, count * one.rows(), 0, columns};
}

GridCut CutGrid(const Grid& grid, const ExecOptions& exec, int64_t grids) {
  GridCut cut;
  const int64_t rows = grid.rows() * grids, columns = grid.columns();
  cut.segment_size = columns;
  const int64_t worth = rows * columns / kElementsPerTask;
  if (worth < 2) return cut;
  const int64_t tasks = std::clamp<int64_t>(worth, 1, std::max(NumThreads(exec), 1));
  if (rows % tasks != 0 && rows < kManyRows * tasks) {
    const int64_t even = (columns + tasks - 1) / tasks;
    cut.segment_size = (even + kPieceMultiple - 1) / kPieceMultiple * kPieceMultiple;
    cut.segments = (columns + cut.segment_size - 1) / cut.segment_size;
  }
  cut.tasks = static_cast<int>(std::min(tasks, rows * cut.segments));
  return cut;
}

void RunGrid(const Grid& grid, const GridCut& cut, const ExecOptions& exec,
             void (*body)(const void* plan, const GridPart& part), const void* plan) {
  Job job{&grid, &cut, body, plan};
  RunTasks(exec, cut.tasks, RunTask, &job);
}

}  // namespace kvant
