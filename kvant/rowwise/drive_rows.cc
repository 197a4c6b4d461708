#include "kvant/rowwise/drive_rows.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kvant/rowwise/row_task.h"

namespace kvant {
namespace {

// Measures in the state in which statistics are exact: kMeasure results are values of their own.
template <class Task>
FpEnv::Mode MeasuringEnv(const Task& task, const RowwisePlan& plan) {
  return plan.stage == Stage::kMeasure ? FpEnv::kDefault : task.env();
}

// Batches of short rows; true if the plan is made of them.
template <class Task>
bool DriveShortRows(const RowwisePlan& plan, Task& task, int64_t begin, int64_t end) {
  const int64_t x_bytes = ByteSize(plan.x_dtype);
  if (plan.stage != Stage::kBoth || plan.smooth != nullptr || !task.direct()) return false;
  if (plan.columns > kShortRow || plan.columns == 0 || plan.rows < 4) return false;
  if (!plan.x.rows.regular() || !plan.y.rows.regular() || !plan.scale.rows.regular()) return false;

  const auto batch = plan.kernels->short_rows[static_cast<int>(plan.format)][plan.asymmetric];
  float scale[kShortRowsRoom], offset[kShortRowsRoom];
  const auto store = [](const VectorMap& to, int64_t row, int rows, const float* values) {
    if (to.rows.regular() && to.rows.step() == sizeof(float)) {
      std::memcpy(to.At(row), values, static_cast<size_t>(rows) * sizeof(float));
    } else {
      for (int i = 0; i < rows; ++i) *to.At(row + i) = values[i];
    }
  };
  const int batch_rows = RowsOfBatch(plan.columns * x_bytes);
  for (int64_t r = begin; r < end; r += batch_rows) {
    const int rows = static_cast<int>(std::min<int64_t>(batch_rows, end - r));
    const char* x = plan.x.data + plan.x.rows.At(r);
    const char* next = r + batch_rows < end ? x + batch_rows * plan.x.rows.step() : nullptr;
    const char* next_y = next != nullptr && task.asks_for_y() ? plan.y.data + plan.y.rows.At(r + batch_rows) : nullptr;
    const RowMask left = batch({x, plan.x.rows.step() / x_bytes, plan.columns, rows, plan.d, plan.r,
                                reinterpret_cast<uint8_t*>(plan.y.data) + plan.y.rows.At(r), plan.y.rows.step(), scale,
                                offset, next, task.flags(), next_y});
    store(plan.scale, r, rows, scale);
    if (plan.asymmetric) store(plan.offset, r, rows, offset);
    for (RowMask rest = left; rest != 0; rest &= rest - 1) {
      task.EncodeRow(task.MeasureRow(task.At(r + std::countr_zero(rest)), {}), {});
    }
  }
  return true;
}

template <class Io>
void DriveRowsWith(const RowwisePlan& plan, int64_t begin, int64_t end) {
  using Task = RowTask<Io>;
  Task task(plan);
  const FpEnv env(MeasuringEnv(task, plan));
  // What to ask for while the last row that was measured is r.
  const int64_t row_bytes = std::max<int64_t>(plan.columns * ByteSize(plan.x_dtype), 1);
  const int64_t ahead =
      task.fetches_to_l2() ? std::clamp<int64_t>((kAskedAhead + row_bytes - 1) / row_bytes, 1, kAskedRowsAhead) : 1;
  const auto asked = [&](int64_t r) -> Asked {
    if (r + ahead >= end || !task.direct()) return {};
    const RowAddress at = task.At(r + ahead);
    return {at.x, task.asks_for_y() ? at.y : nullptr};
  };
  if (plan.stage == Stage::kMeasure) {
    for (int64_t r = begin; r < end; ++r) task.StoreStatistics(task.At(r), task.Measure(task.At(r), 0, plan.columns));
  } else if (plan.stage == Stage::kEncode) {
    for (int64_t r = begin; r < end; ++r) task.EncodeGiven(task.At(r), 0, plan.columns, asked(r));
  } else if (end - begin == 1) {
    task.EncodeRow(task.MeasureRow(task.At(begin), {}), {});
  } else if (DriveShortRows(plan, task, begin, end)) {
    return;
  } else if (plan.columns * ByteSize(plan.x_dtype) > kPipelinedRowBytes) {
    for (int64_t r = begin; r < end; ++r) task.EncodeRow(task.MeasureRow(task.At(r), {}), {});
  } else if (begin < end) {
    // Row r + 1 is measured before row r is encoded: the divisions behind its parameters then cost no time, and its
    // elements are in cache when their turn comes.
    typename Task::Measured current = task.MeasureRow(task.At(begin), asked(begin));
    for (int64_t r = begin + 1; r < end; ++r) {
      const typename Task::Measured next = task.MeasureRow(task.At(r), asked(r));
      task.EncodeRow(current, asked(r));
      current = next;
    }
    task.EncodeRow(current, {});
  }
}

}  // namespace

void DriveRows(const RowwisePlan& plan, int64_t begin, int64_t end) {
  if (DirectIo::Takes(plan)) {
    DriveRowsWith<DirectIo>(plan, begin, end);
  } else {
    DriveRowsWith<PieceIo>(plan, begin, end);
  }
}

void MeasureSegments(const RowwisePlan& plan, int index, int64_t begin, int64_t end, MinMaxBits* partial) {
  RowTask<PieceIo> task(plan);
  // The parameters are not known yet, so nothing may be flushed.
  const FpEnv env(FpEnv::kDefault);
  MinMaxBits whole;
  for (int64_t piece = begin; piece < end; ++piece) {
    const int64_t from = piece % plan.segments * plan.segment_size;
    const MinMaxBits bits =
        task.Measure(task.At(piece / plan.segments), from, std::min(from + plan.segment_size, plan.columns));
    if (plan.mode == QuantMode::kPerTensor) {
      whole = Merge(whole, bits);
    } else {
      partial[piece] = bits;
    }
  }
  if (plan.mode == QuantMode::kPerTensor) partial[index] = whole;
}

void EncodeSegments(const RowwisePlan& plan, int64_t begin, int64_t end, const MinMaxBits* partial) {
  RowTask<PieceIo> task(plan);
  const bool per_tensor = plan.mode == QuantMode::kPerTensor;
  const auto gather = [&](int64_t row) {
    MinMaxBits bits;
    const int64_t first = per_tensor ? 0 : row * plan.segments, count = per_tensor ? plan.tasks : plan.segments;
    for (int64_t i = 0; i < count; ++i) bits = Merge(bits, partial[first + i]);
    return bits;
  };
  // The one value of pertensor is written by the first task, even when there are no rows at all.
  RowParams p{};
  const auto params_of = [&](int64_t row, bool store) {
    const FpEnv exact(FpEnv::kDefault);
    const MinMaxBits bits = gather(row);
    const RowAddress at =
        per_tensor ? RowAddress{0, nullptr, nullptr, plan.scale.data, plan.offset.data} : task.At(row);
    if (plan.stage == Stage::kMeasure) {
      if (store) task.StoreStatistics(at, bits);
      return;
    }
    p = task.Params(bits);
    if (store) task.Store(at, p);
  };
  if (per_tensor && plan.stage != Stage::kEncode) params_of(0, begin == 0);
  const FpEnv env(task.env());
  for (int64_t piece = begin; piece < end; ++piece) {
    const int64_t row = piece / plan.segments, segment = piece % plan.segments;
    if (!per_tensor && plan.stage != Stage::kEncode && (piece == begin || segment == 0)) params_of(row, segment == 0);
    if (plan.stage == Stage::kMeasure) continue;
    const int64_t from = segment * plan.segment_size, to = std::min(from + plan.segment_size, plan.columns);
    if (plan.stage == Stage::kEncode) {
      task.EncodeGiven(task.At(row), from, to, {});
    } else {
      task.EncodeOwn(task.At(row), from, to, p, task.PathOf(p), {});
    }
  }
}

}  // namespace kvant
