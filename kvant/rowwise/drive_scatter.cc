#include "kvant/rowwise/drive_scatter.h"

#include <algorithm>

#include "kvant/core/scatter_prefetch.h"
#include "kvant/rowwise/batched_rows.h"

namespace kvant {
namespace {

// Rows one by one, each measured while the one before it waits to be encoded.
template <class Io>
class SingleRows {
 public:
  explicit SingleRows(const RowwisePlan& plan) : steps_(StepsOf(plan)), task_(plan) {}

  FpEnv::Mode env() const { return task_.env(); }

  void Add(RowAddress at, int64_t rows) {
    for (; rows > 0; --rows) {
      const auto next = task_.MeasureRow(at, {});
      Finish();
      current_ = next;
      waits_ = true;
      Advance(steps_, 1, &at);
    }
  }

  void Finish() {
    if (waits_) task_.EncodeRow(current_, {});
    waits_ = false;
  }

  void Ask(const RowAddress&, int64_t) {}

 private:
  const RowSteps steps_;
  RowTask<Io> task_;
  typename RowTask<Io>::Measured current_{};
  bool waits_ = false;
};

// Where the first rows of updates are, in members of its own, so that they can be kept in registers.
class UpdateStarts {
 public:
  explicit UpdateStarts(const RowwisePlan& plan)
      : x_(plan.x.data),
        x_step_(plan.x.rows.step()),
        rows_(plan.scatter->rows_per_update),
        y_(plan.scatter->y),
        scale_(plan.scatter->scale),
        offset_(plan.scatter->offset) {}

  // For x whose rows are all a step apart.
  RowAddress At(int64_t update, const ScatterPlace& place) const {
    const int64_t row = update * rows_;
    return {row, x_ + row * x_step_, y_.At(place), scale_.At(place), offset_.At(place)};
  }

 private:
  const char* x_;
  int64_t x_step_, rows_;
  ScatterStart y_, scale_, offset_;
};

template <class Rows>
void DriveScatter(const RowwisePlan& plan, int task) {
  const RowScatter& to = *plan.scatter;
  Rows rows(plan);
  const FpEnv env(rows.env());
  const RowMap *x = &plan.x.rows, *y = &to.y.inner, *scale = &to.scale.inner, *offset = &to.offset.inner;
  const bool regular = x->regular() && y->regular() && scale->regular() && offset->regular();
  const UpdateStarts starts(plan);
  const RowSteps steps = StepsOf(plan);
  const auto at = [&](int64_t update, const ScatterPlace& place, int64_t j) -> RowAddress {
    const int64_t row = update * to.rows_per_update + j;
    return {row, plan.x.data + x->At(row), to.y.At(place, j), to.scale.At(place, j), to.offset.At(place, j)};
  };
  const ScatterGeometry& g = to.cut.index().geometry();
  const bool far = g.updates > 1 && IsFar(to.y, g);
  const int64_t updates = to.cut.EndOf(task);
  const int64_t asked = regular ? std::min(to.rows_per_update, kAskedRows) : 1;
  int64_t next = far ? 0 : updates;  // update to ask for; all of it, as it is read, is this task's
  to.cut.ForEach(task, [&](int64_t update, const ScatterPlace& place, int64_t begin, int64_t end) {
    if (next < updates && next <= update + kAskedUpdates) {
      const int64_t last = std::min(update + 2 * kAskedUpdates, updates);
      for (next = std::max(next, begin == 0 ? update : update + 1); next < last; ++next) {
        ScatterPlace there;
        if (to.cut.Takes(task, next, &there)) rows.Ask(at(next, there, 0), asked);
      }
    }
    if (!regular) {
      for (int64_t j = begin; j < end; ++j) rows.Add(at(update, place, j), 1);
      return;
    }
    RowAddress first = starts.At(update, place);
    if (begin != 0) Advance(steps, begin, &first);
    rows.Add(first, end - begin);
  });
  rows.Finish();
}

void RunTask(void* arg, int task) {
  for (const RowwisePlan& plan : *static_cast<const std::span<const RowwisePlan>*>(arg)) {
    if (task >= plan.scatter->cut.tasks()) continue;
    if (BatchedRows::Takes(plan)) {
      DriveScatter<BatchedRows>(plan, task);
    } else if (DirectIo::Takes(plan)) {
      DriveScatter<SingleRows<DirectIo>>(plan, task);
    } else {
      DriveScatter<SingleRows<PieceIo>>(plan, task);
    }
  }
}

}  // namespace

int ScatterTasks(const RowwisePlan& plan, int threads) {
  return static_cast<int>(std::clamp<int64_t>(plan.rows * plan.columns / kElementsPerTask, 1, threads));
}

void RunScatter(std::span<const RowwisePlan> plans, const ExecOptions& exec) {
  int tasks = 1;
  for (const RowwisePlan& plan : plans) tasks = std::max(tasks, plan.scatter->cut.tasks());
  RunTasks(exec, tasks, RunTask, &plans);
}

}  // namespace kvant
