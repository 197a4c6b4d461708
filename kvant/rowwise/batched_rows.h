// Scattered short rows, a batch at a time.
#ifndef KVANT_ROWWISE_BATCHED_ROWS_H_
#define KVANT_ROWWISE_BATCHED_ROWS_H_

#include <algorithm>
#include <bit>
#include <cstring>

#include "kvant/core/prefetch.h"
#include "kvant/rowwise/cpu_tuning.h"
#include "kvant/rowwise/drive_scatter.h"
#include "kvant/rowwise/row_task.h"

namespace kvant {

// How far consecutive rows of one update are apart, in bytes.
struct RowSteps {
  int64_t x, y, scale, offset;
};

inline RowSteps StepsOf(const RowwisePlan& plan) {
  const RowScatter& to = *plan.scatter;
  return {plan.x.rows.step(), to.y.inner.step(), to.scale.inner.step(), to.offset.inner.step()};
}

inline void Advance(const RowSteps& by, int64_t rows, RowAddress* at) {
  at->row += rows;
  at->x += by.x * rows;
  at->y += by.y * rows;
  at->scale += by.scale * rows;
  at->offset += by.offset * rows;
}

// One batch is filled while the one before it waits, because a destination may be anywhere: it is asked for when its
// row is added.
class BatchedRows {
 public:
  static bool Takes(const RowwisePlan& plan) {
    return DirectIo::Takes(plan) && plan.columns > 0 && plan.columns <= kShortRow;
  }
  explicit BatchedRows(const RowwisePlan& plan)
      : plan_(plan),
        steps_(StepsOf(plan)),
        task_(plan),
        y_bytes_(CodeBytes(plan.format, plan.columns)),
        param_bytes_(ByteSize(plan.param_dtype)),
        batch_rows_(RowsOfBatch(plan.columns * ByteSize(plan.x_dtype))),
        as_one_(plan.columns <= kAsOneRow) {}

  FpEnv::Mode env() const { return task_.env(); }

  void Add(RowAddress at, int64_t rows) {
    if (as_one_ && batches_[filling_].rows >= kMeasuredTogether && !batches_[filling_].Continues(at, steps_))
      EncodeOlder();
    while (rows > 0) {
      Batch& batch = batches_[filling_];
      const int n = static_cast<int>(std::min<int64_t>(rows, batch_rows_ - batch.rows));
      if (!asked_) ForEachTable(at, n, Prefetch);
      batch.Append(at, n, steps_);
      if (batch.rows == batch_rows_) EncodeOlder();
      rows -= n;
      if (rows > 0) Advance(steps_, n, &at);
    }
  }

  // Asks for memory that rows will be written to; from then on Add() does not.
  void Ask(const RowAddress& at, int64_t rows) {
    asked_ = true;
    ForEachTable(at, rows, [](char* first, int64_t n, int64_t bytes, int64_t step) {
      // A read: on a Zen 4, prefetches of pages that it has no translation of changed nothing.
      asm volatile("" : : "r"(*static_cast<const volatile char*>(first)));
      Prefetch(first, n, bytes, step);
    });
  }

  void Finish() {
    Encode(batches_[filling_ ^ 1], batches_[filling_]);
    Encode(batches_[filling_], batches_[filling_ ^ 1]);
  }

 private:
  // Rows of one update, one after the other.
  struct Run {
    int first;  // row of the batch
    int rows;
    RowAddress at;
  };
  struct Batch {
    int rows = 0;
    int runs = 0;
    bool x_together, y_together;  // all rows are a step apart; else x and y have their addresses
    Run run[kShortRowsBatch];
    const char* x[kShortRowsBatch];
    char* y[kShortRowsBatch];

    bool ContinuesX(const RowAddress& at, const RowSteps& steps) const { return at.x == run[0].at.x + rows * steps.x; }
    bool ContinuesY(const RowAddress& at, const RowSteps& steps) const { return at.y == run[0].at.y + rows * steps.y; }
    bool Continues(const RowAddress& at, const RowSteps& steps) const {
      return x_together && y_together && ContinuesX(at, steps) && ContinuesY(at, steps);
    }

    void Append(const RowAddress& at, int n, const RowSteps& steps) {
      if (runs == 0) {
        x_together = y_together = true;
      } else {
        Join(ContinuesX(at, steps), steps.x, run[0].at.x, x, &x_together);
        Join(ContinuesY(at, steps), steps.y, run[0].at.y, y, &y_together);
      }
      if (!x_together) List(at.x, n, steps.x, x + rows);
      if (!y_together) List(at.y, n, steps.y, y + rows);
      run[runs++] = {rows, n, at};
      rows += n;
    }

   private:
    template <class P>
    static void List(P at, int n, int64_t step, P* rows_at) {
      for (int r = 0; r < n; ++r, at += step) rows_at[r] = at;
    }
    // The first run that is elsewhere: those before it need their addresses too.
    template <class P>
    void Join(bool continues, int64_t step, P first, P* rows_at, bool* together) const {
      if (continues || !*together) return;
      *together = false;
      List(first, rows, step, rows_at);
    }
  };

  // Calls f(first, n, bytes, step) for n pieces of codes, of scales and of offsets, `step` bytes apart.
  template <class Function>
  void ForEachTable(const RowAddress& at, int64_t n, const Function& f) const {
    f(at.y, n, y_bytes_, steps_.y);
    f(at.scale, n, param_bytes_, steps_.scale);
    if (plan_.asymmetric) f(at.offset, n, param_bytes_, steps_.offset);
  }
  static void Prefetch(const char* at, int64_t n, int64_t bytes, int64_t step) {
    if (step == bytes) {
      bytes *= n;
      n = 1;
    }
    for (; n > 0; --n, at += step) {
      PrefetchLines<PrefetchFor::kWrite>(at, static_cast<size_t>(bytes));
    }
  }

  void EncodeOlder() {
    filling_ ^= 1;
    Encode(batches_[filling_], batches_[filling_ ^ 1]);
  }

  void Encode(Batch& batch, const Batch& next) {
    if (batch.rows == 0) return;
    float scale[kShortRowsRoom], offset[kShortRowsRoom];
    uint16_t kept_scale[kShortRowsRoom], kept_offset[kShortRowsRoom];
    const bool wide = plan_.param_dtype == DType::kFloat32;
    ShortRowsArgs args{};
    args.n = plan_.columns;
    args.rows = batch.rows;
    args.d = plan_.d;
    args.r = plan_.r;
    args.scale = scale;
    args.offset = offset;
    args.table = plan_.param_dtype;
    if (!wide) {
      args.kept_scale = kept_scale;
      args.kept_offset = kept_offset;
    }
    args.flags = plan_.kernels->flags;
    args.x = batch.run[0].at.x;
    args.x_stride = steps_.x / ByteSize(plan_.x_dtype);
    args.y = reinterpret_cast<uint8_t*>(batch.run[0].at.y);
    args.y_stride = steps_.y;
    if (!batch.x_together) args.x_rows = batch.x;
    if (!batch.y_together) args.y_rows = batch.y;
    if (next.rows != 0 && next.x_together) {
      args.prefetch = next.run[0].at.x;
    } else if (next.rows == batch_rows_) {
      args.prefetch_rows = next.x;
    }
    const RowMask left = plan_.kernels->short_rows[static_cast<int>(plan_.format)][plan_.asymmetric](args);
    const int done = left == 0 ? batch.rows : std::countr_zero(left);
    if (plan_.negate_offset) {
      for (int r = 0; r < done && wide; ++r) offset[r] = -offset[r];
      for (int r = 0; r < done && !wide; ++r) kept_offset[r] ^= 0x8000;
    }
    for (int i = 0; i < batch.runs; ++i) {
      Run& run = batch.run[i];
      const int n = std::clamp(done - run.first, 0, run.rows);
      wide ? StoreRun(run, n, scale, offset) : StoreRun(run, n, kept_scale, kept_offset);
      // From the first row on that the batch left alone, in order: a later one may have the same destination.
      if (n == run.rows) continue;
      Advance(steps_, n, &run.at);
      for (int r = n; r < run.rows; ++r, Advance(steps_, 1, &run.at)) {
        task_.EncodeRow(task_.MeasureRow(run.at, {}), {});
      }
    }
    batch.rows = batch.runs = 0;
  }

  template <class T>
  KVANT_INLINE void StoreRun(const Run& run, int n, const T* scale, const T* offset) const {
    Store(scale + run.first, n, steps_.scale, run.at.scale);
    if (plan_.asymmetric) Store(offset + run.first, n, steps_.offset, run.at.offset);
  }

  template <class T>
  KVANT_INLINE static void Store(const T* values, int n, int64_t step, char* to) {
    constexpr int kTogether = 16 / sizeof(T);
    if (step == sizeof(T) && n >= kTogether) {
      const int last = n - kTogether;
      for (int i = 0; i < last; i += kTogether) std::memcpy(to + i * sizeof(T), values + i, 16);
      std::memcpy(to + last * sizeof(T), values + last, 16);
    } else {
      for (int i = 0; i < n; ++i) std::memcpy(to + i * step, values + i, sizeof(T));
    }
  }

  const RowwisePlan& plan_;
  const RowSteps steps_;
  RowTask<DirectIo> task_;
  const int64_t y_bytes_, param_bytes_;
  const int batch_rows_;
  const bool as_one_;  // worth a batch of fewer rows, where they follow one another
  Batch batches_[2];
  int filling_ = 0;
  bool asked_ = false;
};

}  // namespace kvant

#endif  // KVANT_ROWWISE_BATCHED_ROWS_H_
