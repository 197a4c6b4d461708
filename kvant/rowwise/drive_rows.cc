#include "kvant/rowwise/drive_rows.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kvant/numerics/fp_env.h"
#include "kvant/rowwise/pieces.h"
#include "kvant/rowwise/regular.h"
#include "kvant/rowwise/row_params.h"

namespace kvant {
namespace {

// One task's view of a plan: how to measure and encode a stretch of a row. Io is PieceIo or DirectIo.
template <class Io>
class RowTask {
 public:
  explicit RowTask(const RowwisePlan& plan)
      : plan_(plan),
        io_(plan),
        flushes_(plan.kernels->flush_subnormals && plan.x_dtype != DType::kFloat16 && plan.smooth == nullptr),
        needs_min_(plan.stage == Stage::kMeasure ? !plan.amax_only : plan.asymmetric || plan.stage == Stage::kEncode),
        rule_(plan.format, plan.asymmetric),
        encoders_(plan.kernels->encode[static_cast<int>(plan.format)][plan.asymmetric][plan.smooth != nullptr]) {}

  FpEnv::Mode env() const { return flushes_ ? FpEnv::kFlush : FpEnv::kDefault; }
  const PathRule& rule() const { return rule_; }
  bool flushes() const { return flushes_; }

  // Statistics of columns [from, to) of a row. Where only the magnitude matters it is the maximum.
  MinMaxBits Measure(int64_t row, int64_t from, int64_t to, const void* prefetch = nullptr) {
    const char* x_row = plan_.x.data + plan_.x.rows.At(row);
    MinMaxBits bits;
    for (int64_t c = from; c < to;) {
      const int64_t n = std::min(to - c, io_.limit());
      const auto in = io_.Read(x_row, row, c, n);
      const MinMaxBits piece = needs_min_ ? plan_.kernels->min_max(in.x, in.smooth, n, prefetch)
                                          : MinMaxBits{0, plan_.kernels->amax(in.x, in.smooth, n, prefetch)};
      if (n == to - from) return piece;
      bits = Merge(bits, piece);
      c += n;
    }
    return bits;
  }

  RowParams Params(const MinMaxBits& bits) const {
    const MinMaxValues v = ValuesOf(bits, /*empty_is_zero=*/true);
    return ParamsOf(v.min, v.max, plan_.asymmetric, plan_.d, plan_.r);
  }

  void Store(int64_t row, const RowParams& p) const {
    *plan_.scale.At(row) = p.scale;
    if (plan_.asymmetric) *plan_.offset.At(row) = p.offset;
  }

  void StoreStatistics(int64_t row, const MinMaxBits& bits) const {
    const MinMaxValues v = ValuesOf(bits, /*empty_is_zero=*/plan_.amax_only);
    *plan_.scale.At(row) = plan_.amax_only ? v.max : v.min;
    if (!plan_.amax_only) *plan_.offset.At(row) = v.max;
  }

  void Encode(int64_t row, int64_t from, int64_t to, const RowParams& p, Path path, const void* prefetch) {
    const char* x_row = plan_.x.data + plan_.x.rows.At(row);
    char* y_row = plan_.y.data + plan_.y.rows.At(row);
    const bool all_zero = !plan_.asymmetric && p.scale == 0;
    for (int64_t c = from; c < to;) {
      const int64_t n = std::min(to - c, io_.limit());
      uint8_t* y = io_.Target(y_row, c);
      if (all_zero) {
        std::memset(y, 0, static_cast<size_t>(plan_.format == Format::kInt4 ? n / 2 : n));
      } else {
        const auto in = io_.Read(x_row, row, c, n);
        encoders_[static_cast<int>(path)]({in.x, in.smooth, n, y, prefetch, plan_.streaming ? kStreamStores : 0u}, p);
      }
      if (!io_.direct()) io_.Flush(y_row, c, n);
      c += n;
    }
  }

  // Codes of a stretch whose parameters are its own row's; kExact leaves the flushing state.
  void EncodeOwn(int64_t row, int64_t from, int64_t to, const RowParams& p, const void* prefetch) {
    const Path path = rule_.For(p.scale, p.offset);
    if (path == Path::kExact) {
      const FpEnv exact(FpEnv::kDefault);
      Encode(row, from, to, p, path, prefetch);
    } else {
      Encode(row, from, to, p, path, prefetch);
    }
  }

  // Parameters that somebody else chose: the fast paths hold if the stretch's own codes stay in range.
  RowParams GivenParams(int64_t row) const {
    RowParams p{};
    p.scale = *plan_.scale.At(row);
    if (plan_.asymmetric) p.offset = *plan_.offset.At(row);
    p.inverse = 1.0f / p.scale;
    return p;
  }

  void EncodeGiven(int64_t row, int64_t from, int64_t to, const void* prefetch) {
    const RowParams p = GivenParams(row);
    Path path = rule_.For(p.scale, p.offset);
    if (path != Path::kExact && from < to) {
      const MinMaxValues v = ValuesOf(Measure(row, from, to, prefetch), true);
      const float low = v.min / p.scale + p.offset, high = v.max / p.scale + p.offset;
      constexpr float kSlack = 1.0f + 0x1p-10f;
      if (!(low >= -(plan_.r - plan_.d) * kSlack && high <= plan_.d * kSlack)) path = Path::kExact;
    }
    const FpEnv env(path == Path::kExact || !flushes_ ? FpEnv::kDefault : FpEnv::kFlush);
    Encode(row, from, to, p, path, prefetch);
  }

  // A row whose parameters are known and stored.
  struct Measured {
    int64_t row;
    RowParams params;
  };

  Measured MeasureRow(int64_t row, const void* prefetch) {
    MinMaxBits bits = Measure(row, 0, plan_.columns, prefetch);
    RowParams p = Params(bits);
    if (flushes_ && rule_.For(p.scale, p.offset) == Path::kExact) {
      // The scale may be small enough for flushed products, or a flushed division, to have mattered.
      const FpEnv exact(FpEnv::kDefault);
      if (plan_.smooth != nullptr) bits = Measure(row, 0, plan_.columns);
      p = Params(bits);
    }
    Store(row, p);
    return {row, p};
  }

  void EncodeRow(const Measured& m, const void* prefetch) { EncodeOwn(m.row, 0, plan_.columns, m.params, prefetch); }

  bool direct() const { return io_.direct(); }

 private:
  const RowwisePlan& plan_;
  Io io_;
  const bool flushes_, needs_min_;
  const PathRule rule_;
  const EncodeFunction (&encoders_)[kNumPaths];
};

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
  if (plan.x.rows.step() % x_bytes != 0 || plan.x.rows.step() < 0) return false;

  const auto batch = plan.kernels->short_rows[static_cast<int>(plan.format)][plan.asymmetric];
  float scale[kShortRowsRoom], offset[kShortRowsRoom];
  const auto store = [](const VectorMap& to, int64_t row, int rows, const float* values) {
    if (to.rows.regular() && to.rows.step() == sizeof(float)) {
      std::memcpy(to.At(row), values, static_cast<size_t>(rows) * sizeof(float));
    } else {
      for (int i = 0; i < rows; ++i) *to.At(row + i) = values[i];
    }
  };
  for (int64_t r = begin; r < end; r += kShortRowsBatch) {
    const int rows = static_cast<int>(std::min<int64_t>(kShortRowsBatch, end - r));
    const char* x = plan.x.data + plan.x.rows.At(r);
    const char* next = r + kShortRowsBatch < end ? x + kShortRowsBatch * plan.x.rows.step() : nullptr;
    const uint32_t left = batch({x, plan.x.rows.step() / x_bytes, plan.columns, rows, plan.d, plan.r,
                                 reinterpret_cast<uint8_t*>(plan.y.data) + plan.y.rows.At(r), plan.y.rows.step(), scale,
                                 offset, next, plan.streaming ? kStreamStores : 0u});
    store(plan.scale, r, rows, scale);
    if (plan.asymmetric) store(plan.offset, r, rows, offset);
    for (uint32_t rest = left; rest != 0; rest &= rest - 1) {
      task.EncodeRow(task.MeasureRow(r + std::countr_zero(rest), nullptr), nullptr);
    }
  }
  return true;
}

template <class Io>
void DriveRowsWith(const RowwisePlan& plan, int64_t begin, int64_t end) {
  using Task = RowTask<Io>;
  Task task(plan);
  const FpEnv env(MeasuringEnv(task, plan));
  const auto address = [&](int64_t r) { return r < end && task.direct() ? plan.x.data + plan.x.rows.At(r) : nullptr; };
  if (plan.stage == Stage::kMeasure) {
    for (int64_t r = begin; r < end; ++r) task.StoreStatistics(r, task.Measure(r, 0, plan.columns));
  } else if (plan.stage == Stage::kEncode) {
    for (int64_t r = begin; r < end; ++r) task.EncodeGiven(r, 0, plan.columns, address(r + 1));
  } else if (DriveShortRows(plan, task, begin, end)) {
    return;
  } else if (plan.columns * ByteSize(plan.x_dtype) > kPipelinedRowBytes) {
    for (int64_t r = begin; r < end; ++r) task.EncodeRow(task.MeasureRow(r, nullptr), nullptr);
  } else if (begin < end) {
    // Row r + 1 is measured before row r is encoded: the divisions behind its parameters then cost no time, and its
    // elements are in cache when their turn comes.
    typename Task::Measured current = task.MeasureRow(begin, address(begin + 1));
    for (int64_t r = begin + 1; r < end; ++r) {
      const typename Task::Measured next = task.MeasureRow(r, address(r + 1));
      task.EncodeRow(current, address(r + 1));
      current = next;
    }
    task.EncodeRow(current, nullptr);
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
    const MinMaxBits bits = task.Measure(piece / plan.segments, from, std::min(from + plan.segment_size, plan.columns));
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
    if (plan.stage == Stage::kMeasure) {
      if (store) task.StoreStatistics(row, bits);
      return;
    }
    p = task.Params(bits);
    if (store) task.Store(row, p);
  };
  if (per_tensor && plan.stage != Stage::kEncode) params_of(0, begin == 0);
  const FpEnv env(task.env());
  for (int64_t piece = begin; piece < end; ++piece) {
    const int64_t row = piece / plan.segments, segment = piece % plan.segments;
    if (!per_tensor && plan.stage != Stage::kEncode && (piece == begin || segment == 0)) params_of(row, segment == 0);
    if (plan.stage == Stage::kMeasure) continue;
    const int64_t from = segment * plan.segment_size, to = std::min(from + plan.segment_size, plan.columns);
    if (plan.stage == Stage::kEncode) {
      task.EncodeGiven(row, from, to, nullptr);
    } else {
      task.EncodeOwn(row, from, to, p, nullptr);
    }
  }
}

}  // namespace kvant
