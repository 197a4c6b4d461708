#include "kvant/rowwise/grid.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "kvant/testing/pools.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace {

using testing::OneIn;
using testing::Rng;
using testing::Uniform;

Grid Make(const std::vector<Grid::Dim>& dims, bool keep_last = false) {
  Grid grid;
  for (const Grid::Dim& dim : dims) grid.Add(dim);
  grid.Normalize(keep_last);
  return grid;
}

TEST(Grid, JoinsWhatAllTensorsAllow) {
  const Grid contiguous = Make({{3, {20, 40}}, {4, {5, 10}}, {5, {1, 2}}});
  EXPECT_EQ(contiguous.rank, 1);
  EXPECT_EQ(contiguous.rows(), 1);
  EXPECT_EQ(contiguous.columns(), 60);
  EXPECT_EQ(contiguous.column_stride(1), 2);
  const Grid row_parameter = Make({{3, {20, 40, 4}}, {4, {5, 10, 4}}, {5, {1, 2, 0}}});  // the third varies by row
  EXPECT_EQ(row_parameter.rank, 3);
  EXPECT_EQ(row_parameter.row_stride(2), 4);
  EXPECT_EQ(row_parameter.column_stride(2), 0);
  const Grid gap = Make({{3, {32, 40}}, {4, {5, 10}}, {5, {1, 2}}});
  EXPECT_EQ(gap.rows(), 3);
  EXPECT_EQ(gap.columns(), 20);
}

TEST(Grid, WalksTheFirstTensorInMemoryOrder) {
  const Grid transposed = Make({{5, {1, 4}}, {4, {5, 1}}});
  EXPECT_EQ(transposed.columns(), 5);
  EXPECT_EQ(transposed.column_stride(0), 1);
  EXPECT_EQ(transposed.row_stride(0), 5);
  const Grid backwards = Make({{4, {-5, 1}}, {5, {1, 4}}});
  EXPECT_EQ(backwards.columns(), 5);
  EXPECT_EQ(backwards.row_stride(0), -5);
}

TEST(Grid, KeepsTheLastDimension) {
  const Grid packed = Make({{5, {1, 4}}, {3, {60, 40}}, {4, {5, 1}}}, /*keep_last=*/true);
  EXPECT_EQ(packed.columns(), 4);
  EXPECT_EQ(packed.column_stride(0), 5);
  const Grid single = Make({{5, {2, 4}}, {1, {7, 9}}}, /*keep_last=*/true);
  EXPECT_EQ(single.columns(), 1);
  EXPECT_EQ(single.rows(), 5);
  const Grid joined = Make({{5, {12, 4}}, {4, {3, 1}}}, /*keep_last=*/true);
  EXPECT_EQ(joined.columns(), 20);
}

TEST(Grid, WithoutDimensions) {
  const Grid grid = Make({});
  EXPECT_EQ(grid.rows(), 1);
  EXPECT_EQ(grid.columns(), 1);
  EXPECT_EQ(Make({{1, {9, 9}}, {1, {3, 3}}}).columns(), 1);
}

struct Visits {
  const Grid* grid;
  std::vector<std::atomic<int>>* count;  // by offset in the first tensor
  int64_t factor;                        // from there to the second tensor
  std::atomic<int> wrong{0};

  static void Part(const void* arg, const GridPart& part) {
    auto& self = *static_cast<Visits*>(const_cast<void*>(arg));
    GridRows rows(*self.grid, part.row);
    for (int64_t row = part.row; row < part.row_end;) {
      const int64_t n = std::min(rows.run(), part.row_end - row);
      for (int64_t r = 0; r < n; ++r) {
        for (int64_t c = part.column; c < part.column_end; ++c) {
          const auto at = [&](int t) {
            return rows.offset(t) + r * self.grid->row_stride(t) + c * self.grid->column_stride(t);
          };
          ++(*self.count)[static_cast<size_t>(at(0))];
          if (at(1) != at(0) * self.factor) ++self.wrong;
        }
      }
      row += n;
      rows.Advance(n);
    }
  }
};

// Any grid, any number of threads: every element once, in both tensors alike.
TEST(Grid, VisitsEveryElementOnce) {
  Rng rng(1);
  for (int round = 0; round < 150; ++round) {
    std::vector<Grid::Dim> dims;
    int64_t stride = 1, elements = 1;
    for (int64_t d = Uniform(rng, 0, 5); d > 0; --d) {
      const int64_t most = d == 1 && OneIn(rng, 4) ? 90000 : 12;
      const int64_t extent =
          OneIn(rng, 5) ? 1 : Uniform(rng, 1, std::max<int64_t>(most / (elements > 1000 ? 10 : 1), 1));
      stride *= OneIn(rng, 3) ? 2 : 1;
      dims.push_back({extent, {stride, stride * 3}});
      stride *= extent;
      elements *= extent;
    }
    std::shuffle(dims.begin(), dims.end(), rng);
    const Grid grid = Make(dims, OneIn(rng, 2));
    EXPECT_EQ(grid.rows() * grid.columns(), elements);
    const testing::ThreadPool pool(static_cast<int>(Uniform(rng, 1, 9)));
    const ExecOptions exec{pool.get()};
    std::vector<std::atomic<int>> count(static_cast<size_t>(stride));
    Visits visits{&grid, &count, 3};
    RunGrid(grid, CutGrid(grid, exec), exec, Visits::Part, &visits);
    EXPECT_EQ(visits.wrong, 0);
    EXPECT_EQ(std::count_if(count.begin(), count.end(), [](const auto& n) { return n == 1; }), elements);
    EXPECT_TRUE(std::all_of(count.begin(), count.end(), [](const auto& n) { return n <= 1; }));
    if (HasFailure()) return;
  }
}

// Few long rows are cut between INT4 pairs and vector blocks, many rows are not cut.
TEST(Grid, Cuts) {
  const testing::ThreadPool four(4);
  const ExecOptions exec{four.get()};
  const GridCut few = CutGrid(Make({{3, {2000000, 1}}, {1000000, {1, 3}}}), exec);
  EXPECT_EQ(few.tasks, 4);
  EXPECT_EQ(few.segments, 4);
  EXPECT_EQ(few.segment_size % 512, 0);
  const GridCut many = CutGrid(Make({{5000, {200, 1}}, {100, {1, 5000}}}), exec);
  EXPECT_EQ(many.tasks, 4);
  EXPECT_EQ(many.segments, 1);
  EXPECT_EQ(CutGrid(Make({{100, {200, 1}}, {100, {1, 100}}}), exec).tasks, 1);
}

}  // namespace
}  // namespace kvant
