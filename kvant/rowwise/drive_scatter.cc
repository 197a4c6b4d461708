#include "kvant/rowwise/drive_scatter.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kvant/rowwise/cpu_tuning.h"
#include "kvant/rowwise/row_task.h"

namespace kvant {
namespace {

// Rows on their way to a task: short ones in batches, long ones measured one ahead of the one that is encoded.
template <class Io>
class ScatterRows {
 public:
  explicit ScatterRows(const RowwisePlan& plan)
      : plan_(plan),
        task_(plan),
        y_bytes_(plan.format == Format::kInt4 ? plan.columns / 2 : plan.columns),
        batched_(std::is_same_v<Io, DirectIo> && plan.columns > 0 && plan.columns <= kShortRow &&
                 plan.param_dtype == DType::kFloat32) {}

  FpEnv::Mode env() const { return task_.env(); }

  void Add(const RowAddress& at) {
    if (!batched_) {
      const auto next = task_.MeasureRow(at, nullptr);
      if (waits_) task_.EncodeRow(current_, nullptr);
      current_ = next;
      waits_ = true;
      return;
    }
    // The destination may be anywhere: it is asked for a batch ahead.
    for (int64_t b = 0; b < y_bytes_; b += 64) __builtin_prefetch(at.y + b, 1);
    __builtin_prefetch(at.scale, 1);
    if (plan_.asymmetric) __builtin_prefetch(at.offset, 1);
    Batch& batch = batches_[filling_];
    const int r = batch.rows++;
    batch.row[r] = at.row;
    batch.x[r] = at.x;
    batch.y[r] = at.y;
    batch.scale[r] = at.scale;
    batch.offset[r] = at.offset;
    if (batch.rows == kShortRowsBatch) {
      filling_ ^= 1;
      Encode(batches_[filling_]);
    }
  }

  void Finish() {
    if (!batched_) {
      if (waits_) task_.EncodeRow(current_, nullptr);
      return;
    }
    Encode(batches_[filling_ ^ 1]);
    Encode(batches_[filling_]);
  }

 private:
  struct Batch {
    int rows = 0;
    int64_t row[kShortRowsBatch];
    const char* x[kShortRowsBatch];
    char* y[kShortRowsBatch];
    char* scale[kShortRowsBatch];
    char* offset[kShortRowsBatch];
  };

  void Encode(Batch& batch) {
    if (batch.rows == 0) return;
    float scale[kShortRowsRoom], offset[kShortRowsRoom];
    ShortRowsArgs args{};
    args.n = plan_.columns;
    args.rows = batch.rows;
    args.d = plan_.d;
    args.r = plan_.r;
    args.scale = scale;
    args.offset = offset;
    args.x_rows = batch.x;
    const Batch& next = &batch == &batches_[0] ? batches_[1] : batches_[0];
    if (next.rows != 0 && plan_.x.rows.regular()) {
      args.prefetch = next.x[0];
      args.x_stride = plan_.x.rows.step() / ByteSize(plan_.x_dtype);
    }
    args.y_rows = batch.y;
    const uint32_t left = plan_.kernels->short_rows[static_cast<int>(plan_.format)][plan_.asymmetric](args);
    const int done = left == 0 ? batch.rows : std::countr_zero(left);
    for (int r = 0; r < done; ++r) std::memcpy(batch.scale[r], &scale[r], sizeof(float));
    if (plan_.asymmetric) {
      for (int r = 0; r < done; ++r) {
        const float stored = plan_.negate_offset ? -offset[r] : offset[r];
        std::memcpy(batch.offset[r], &stored, sizeof(float));
      }
    }
    // From the first row on that the batch left alone, in order: a later one may have the same destination.
    for (int r = done; r < batch.rows; ++r) {
      const RowAddress at{batch.row[r], batch.x[r], batch.y[r], batch.scale[r], batch.offset[r]};
      task_.EncodeRow(task_.MeasureRow(at, nullptr), nullptr);
    }
    batch.rows = 0;
  }

  const RowwisePlan& plan_;
  RowTask<Io> task_;
  const int64_t y_bytes_;
  const bool batched_;
  Batch batches_[2];
  int filling_ = 0;
  typename RowTask<Io>::Measured current_{};
  bool waits_ = false;
};

template <class Io>
void DriveScatter(const RowwisePlan& plan, int task) {
  const RowScatter& to = *plan.scatter;
  ScatterRows<Io> rows(plan);
  const FpEnv env(rows.env());
  const RowMap *x = &plan.x.rows, *y = &to.y.inner, *scale = &to.scale.inner, *offset = &to.offset.inner;
  const bool regular = x->regular() && y->regular() && scale->regular() && offset->regular();
  to.cut.ForEach(task, [&](int64_t update, const ScatterPlace& place, int64_t begin, int64_t end) {
    const int64_t first = update * to.rows_per_update + begin;
    RowAddress at{first, plan.x.data + x->At(first), to.y.At(place, begin), to.scale.At(place, begin),
                  plan.asymmetric ? to.offset.At(place, begin) : nullptr};
    for (int64_t j = begin; j < end; ++j) {
      rows.Add(at);
      ++at.row;
      if (regular) {
        at.x += x->step();
        at.y += y->step();
        at.scale += scale->step();
        at.offset += offset->step();
      } else if (j + 1 < end) {
        at.x = plan.x.data + x->At(at.row);
        at.y = to.y.At(place, j + 1);
        at.scale = to.scale.At(place, j + 1);
        if (plan.asymmetric) at.offset = to.offset.At(place, j + 1);
      }
    }
  });
  rows.Finish();
}

void RunTask(void* arg, int task) {
  for (const RowwisePlan& plan : *static_cast<const std::span<const RowwisePlan>*>(arg)) {
    if (task >= plan.scatter->cut.tasks()) continue;
    if (DirectIo::Takes(plan)) {
      DriveScatter<DirectIo>(plan, task);
    } else {
      DriveScatter<PieceIo>(plan, task);
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
