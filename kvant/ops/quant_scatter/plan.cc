#include <algorithm>
#include <optional>
#include <type_traits>

#include "kvant/core/prefetch.h"
#include "kvant/core/scatter_prefetch.h"
#include "kvant/ops/quant_scatter/rules.h"
#include "kvant/ops/quantize/encoder.h"
#include "kvant/ops/scatter_update/copy.h"

namespace kvant {
namespace {

// Codes of updates that go to places apart wait in L1 until there are this many bytes of them: encoded together and
// copied they take 0.6 (128 elements) to 0.95 (1024) of the time that a call of the encoder for each takes.
constexpr int64_t kStageBytes = 8 * 1024;
constexpr int64_t kMostStaged = 64, kLeastStaged = 4;           // updates
static_assert(kStageBytes / kLeastStaged <= quantize::kPanel);  // the parameters of one are loaded once
// A call with fewer updates does not earn back a second plan.
constexpr int64_t kLeastUpdates = 16;

// One update, and all of them.
struct Updates {
  quantize::Plan quantize;  // of one, and after Repeat of all that there are, one following the other
  Grid one;

  Updates(const QuantizeArgs& first, Target target) : quantize(quantize::MakePlan(first, target)), one(quantize.grid) {}
  void Repeat(int64_t updates, int64_t y_stride, int64_t x_stride) {
    if (updates > 1) quantize.grid.Repeat({updates, {y_stride, x_stride, 0}}, /*keep_last=*/false);
  }
};

// Updates whose codes wait.
struct Staged {
  Updates updates;
  scatter_update::Copier copier;  // from there to a place
  int64_t bytes;                  // of an update
  int64_t most;                   // that wait
};

struct ScatterPlan {
  Updates updates;
  std::optional<Staged> staged;
  ScatterTable table;
  ScatterLines lines;
  bool asks = false;      // for them while it encodes: an update is one piece, at least kLeastAsked bytes of x
  int64_t update_stride;  // bytes
  GridCut update_cut;
  ScatterCut cut;

  // Not an aggregate: to initialize one, g++ clears all of it, which takes a single token 45 ns.
  ScatterPlan(const Updates& all, const ScatterTable& to, int64_t stride)
      : updates(all), table(to), update_stride(stride) {}
};

// Updates [first, first + count), which go to `places`.
struct Stage {
  quantize::Encoder encoder;
  int64_t first = 0, count = 0;
  char* places[kMostStaged];
  alignas(64) char codes[kStageBytes];

  explicit Stage(const ScatterPlan& plan) : encoder(plan.staged->updates.quantize) {
    const Grid& grid = plan.staged->updates.quantize.grid;
    encoder.Load(0, grid.columns(), grid.rows());
  }
};
struct NoStage {
  explicit NoStage(const ScatterPlan&) {}
};

// Writes the updates of one task, which come in the order they are to be written in.
template <bool kStaged>
class Writer {
 public:
  Writer(const ScatterPlan& plan, int task)
      : plan_(plan),
        end_(plan.cut.EndOf(task)),
        x_ahead_(plan.updates.quantize.far ? kAskedAhead / std::max<int64_t>(plan.update_stride, 1) + 1 : end_),
        encoder_(plan.updates.quantize),
        stage_(plan) {}

  // Parameters of the columns that are written from here on.
  void Load(int64_t column, int64_t n, int64_t rows) {
    column_ = column, column_end_ = column + n;
    encoder_.Load(column, n, rows);
  }
  int64_t panel() const { return encoder_.panel(); }

  // Update i, to be written from y on. What is written at `next`, if there is anything, is asked for meanwhile.
  void Add(int64_t i, char* y, const char* next) {
    if (waiting_ != 0 && i == first_ + waiting_ && y - to_ == waiting_ * plan_.table.step) {
      ++waiting_;
      if (next != nullptr) next_ = next;
      return;
    }
    Settle();
    first_ = i, waiting_ = 1, to_ = y, next_ = next;
  }

  // Units [begin, end) of it.
  void AddPart(int64_t i, char* y, int64_t begin, int64_t end) {
    Finish();
    ForEachPart(plan_.updates.one, plan_.update_cut, begin, end, [&](const GridPart& part) { Encode(i, y, part); });
  }

  // Writes what waits.
  void Finish() {
    Settle();
    Unstage();
  }

 private:
  void Settle() {
    if (kStaged && waiting_ == 1) {
      Defer();
    } else if (waiting_ != 0) {
      Unstage();
      EncodeRun();
    }
    waiting_ = 0;
  }

  // Updates that follow one another.
  void EncodeRun() {
    const GridPart part = FirstRepeats(plan_.updates.one, plan_.updates.quantize.grid, waiting_);
    const int64_t ahead = first_ + x_ahead_;
    if (next_ == nullptr) {
      Encode(first_, to_, part);
    } else if (waiting_ == 1) {
      encoder_.Encode(part, XOf(first_), to_, {ahead < end_ ? XOf(ahead) : nullptr, next_});
    } else {
      PrefetchLines<PrefetchFor::kReadFromL2>(next_, static_cast<size_t>(plan_.updates.one.columns()));
      Encode(first_, to_, part);
    }
  }

  void Defer() {
    if constexpr (kStaged) {
      if (stage_.count == plan_.staged->most || (stage_.count != 0 && first_ != stage_.first + stage_.count)) Unstage();
      if (stage_.count == 0) stage_.first = first_;
      stage_.places[stage_.count++] = to_;
    }
  }

  void Unstage() {
    if constexpr (kStaged) {
      const Staged& s = *plan_.staged;
      if (stage_.count == 1) {
        Encode(stage_.first, stage_.places[0], FirstRepeats(plan_.updates.one, plan_.updates.quantize.grid, 1));
      } else if (stage_.count != 0) {
        const GridPart all = FirstRepeats(s.updates.one, s.updates.quantize.grid, stage_.count);
        stage_.encoder.Encode(all, XOf(stage_.first), stage_.codes);
        const GridPart whole{0, s.copier.grid().rows(), 0, s.copier.grid().columns()};
        for (int64_t k = 0; k < stage_.count; ++k) s.copier.Copy(whole, stage_.places[k], stage_.codes + k * s.bytes);
      }
      stage_.count = 0;
    }
  }

  void Encode(int64_t i, char* y, GridPart part) {
    part.column = std::max(part.column, column_);
    part.column_end = std::min(part.column_end, column_end_);
    encoder_.Encode(part, XOf(i), y);
  }

  const char* XOf(int64_t i) const { return plan_.updates.quantize.x + i * plan_.update_stride; }

  const ScatterPlan& plan_;
  const int64_t end_;      // of the updates that may be this task's
  const int64_t x_ahead_;  // updates whose elements are asked for
  quantize::Encoder encoder_;
  std::conditional_t<kStaged, Stage, NoStage> stage_;
  int64_t column_ = 0, column_end_ = 0;
  // Updates [first_, first_ + waiting_), which follow one another from to_ on.
  int64_t first_ = 0, waiting_ = 0;
  char* to_ = nullptr;
  const char* next_ = nullptr;
};

template <bool kStaged>
void RunTask(void* arg, int task) {
  const ScatterPlan& plan = *static_cast<const ScatterPlan*>(arg);
  const int64_t columns = plan.updates.quantize.grid.columns(), units = plan.update_cut.Units(plan.updates.one);
  const int64_t rows = plan.cut.index().geometry().updates * plan.updates.one.rows() / plan.cut.tasks();
  Writer<kStaged> writer(plan, task);
  // Parameters are loaded once for a panel of columns of all updates.
  for (int64_t column = 0, n; column < columns; column += n) {
    n = std::min(writer.panel(), columns - column);
    writer.Load(column, n, rows);
    auto prefetch = PrefetchOf(plan.cut, task, plan.table, plan.lines);
    plan.cut.ForEach(task, [&](int64_t i, const ScatterPlace& place, int64_t begin, int64_t end) {
      const char* const next = plan.asks ? prefetch.Next(i) : nullptr;
      if (!plan.asks) prefetch.Before(i);
      if (end - begin == units) {
        writer.Add(i, plan.table.At(place), next);
      } else {
        writer.AddPart(i, plan.table.At(place), begin, end);
      }
    });
    writer.Finish();
  }
}

// Of legal arguments for the first of `updates` updates, which `alone` is the grid of; nothing where they had better be
// written one by one.
std::optional<Staged> MakeStaged(const QuantizeArgs& first, const Grid& alone, int64_t updates, int64_t update_stride,
                                 Target target) {
  const int64_t bytes = first.x.elements(), most = std::min(kStageBytes / bytes, kMostStaged);
  if (most < kLeastStaged || updates < kLeastUpdates) return {};
  QuantizeArgs staged = first;
  staged.y = TensorView(first.y.data(), first.y.dtype(), first.x.shape());
  Updates all(staged, target);
  // Columns with scales of their own are a call for each update here too, unless its rows lie apart.
  if (alone.column_stride(quantize::kIndex) != 0 && all.one.columns() == alone.columns()) return {};
  all.Repeat(updates, bytes, update_stride);
  return {{all, scatter_update::Copier(first.y, staged.y), bytes, most}};
}

// Of checked arguments; `self` is the destination.
template <class Args>
void Scatter(const TensorView& self, const ScatterIndex& index, const ScatterFacts& facts, const Args& args,
             Target target, const ExecOptions& exec) {
  const ScatterGeometry& geometry = index.geometry();
  QuantizeArgs update;
  update.x = FirstUpdate(args.updates);
  update.quant_scales = args.quant_scales;
  update.quant_zero_points = args.quant_zero_points;
  update.dst_type = args.dst_type;
  update.reciprocal_scale = args.reciprocal_scale;
  update.round_mode = args.round_mode;
  update.y = ScatterWindow(self, geometry);
  const int64_t x_bytes = ByteSize(args.updates.dtype()), update_stride = args.updates.stride(0) * x_bytes;
  ScatterPlan plan(Updates(update, target), ScatterTable(self, geometry, 1), update_stride);
  quantize::Plan& quantize = plan.updates.quantize;
  const Grid& one = plan.updates.one;
  quantize.streaming = plan.table.first_stride % 64 == 0 && plan.table.axis_stride % 64 == 0 &&
                       quantize::Streams(quantize, args.updates.elements(), exec.stores);
  plan.updates.Repeat(geometry.updates, plan.table.step, update_stride);
  quantize.far = args.updates.elements() * x_bytes >= kBeyondL2;
  if (IsWorthAsking(plan.table, geometry, args.updates.elements())) {
    plan.lines = ScatterLines(update.y);
    plan.lines.joined = true;
    plan.asks = !quantize.streaming && one.rank == 1 && one.column_stride(quantize::kY) == 1 &&
                one.column_stride(quantize::kX) == x_bytes && update_stride >= kLeastAsked &&
                one.columns() <= quantize::kPanel;
  }
  if (!quantize.streaming && !plan.asks) {
    plan.staged = MakeStaged(update, one, geometry.updates, update_stride, target);
  }
  plan.update_cut = CutGrid(one, exec, geometry.updates);
  plan.cut = ScatterCut(index, facts, plan.update_cut.Units(one), plan.update_cut.tasks);
  RunTasks(exec, plan.cut.tasks(), plan.staged ? RunTask<true> : RunTask<false>, &plan);
}

}  // namespace

Status InferQuantScatter(const QuantScatterArgs& args, TensorSpec* out) {
  ScatterGeometry geometry;
  KVANT_RETURN_IF_ERROR(quant_scatter::CheckInputs(quant_scatter::kOp, args, &geometry));
  *out = SpecOf(args.self);
  return {};
}

Status QuantScatterInPlace(const QuantScatterInPlaceArgs& args, const ExecOptions& exec) {
  ScatterGeometry geometry;
  KVANT_RETURN_IF_ERROR(quant_scatter::Check(args, &geometry));
  const ScatterIndex index(args.indices, geometry, args.index_policy);
  ScatterFacts facts;
  KVANT_RETURN_IF_ERROR(index.Check(quant_scatter::kInPlace, &facts));
  if (args.updates.elements() == 0) return {};
  Target target{};
  KVANT_RETURN_IF_ERROR(ActiveTarget(&target));
  Scatter(args.self, index, facts, args, target, exec);
  return {};
}

Status QuantScatter(const QuantScatterArgs& args, const ExecOptions& exec) {
  ScatterGeometry geometry;
  KVANT_RETURN_IF_ERROR(quant_scatter::Check(args, &geometry));
  const ScatterIndex index(args.indices, geometry, args.index_policy);
  ScatterFacts facts;
  KVANT_RETURN_IF_ERROR(index.Check(quant_scatter::kOp, &facts));
  Target target{};
  KVANT_RETURN_IF_ERROR(ActiveTarget(&target));
  scatter_update::CopyTensor(args.out, args.self, exec);
  if (args.updates.elements() != 0) Scatter(args.out, index, facts, args, target, exec);
  return {};
}

}  // namespace kvant
