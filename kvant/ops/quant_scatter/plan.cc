#include <algorithm>

#include "kvant/core/scatter_prefetch.h"
#include "kvant/ops/quant_scatter/rules.h"
#include "kvant/ops/quantize/encoder.h"
#include "kvant/ops/scatter_update/copy.h"

namespace kvant {
namespace {

struct ScatterPlan {
  quantize::Plan quantize;  // of updates that follow one another
  ScatterTable table;
  ScatterLines lines;
  int64_t update_stride;  // bytes
  Grid update;            // one of them
  GridCut update_cut;
  ScatterCut cut;
};

void RunTask(void* arg, int task) {
  const ScatterPlan& plan = *static_cast<const ScatterPlan*>(arg);
  const int64_t columns = plan.quantize.grid.columns(), units = plan.update_cut.Units(plan.update);
  const int64_t rows = plan.cut.index().geometry().updates * plan.update.rows() / plan.cut.tasks();
  quantize::Encoder encoder(plan.quantize);
  // Parameters are loaded once for a panel of columns of all updates.
  for (int64_t column = 0, n; column < columns; column += n) {
    n = std::min(encoder.panel(), columns - column);
    encoder.Load(column, n, rows);
    const auto encode = [&](int64_t i, char* y, GridPart part) {
      part.column = std::max(part.column, column);
      part.column_end = std::min(part.column_end, column + n);
      encoder.Encode(part, plan.quantize.x + i * plan.update_stride, y);
    };
    // Updates [first, first + waiting), which follow one another from `to` on.
    int64_t first = 0, waiting = 0;
    char* to = nullptr;
    const auto finish = [&] {
      if (waiting != 0) encode(first, to, FirstRepeats(plan.update, plan.quantize.grid, waiting));
      waiting = 0;
    };
    ScatterPrefetch prefetch(plan.cut, task, plan.table, plan.lines);
    plan.cut.ForEach(task, [&](int64_t i, const ScatterPlace& place, int64_t begin, int64_t end) {
      prefetch.Before(i);
      char* const y = plan.table.At(place);
      const bool whole = end - begin == units;
      if (waiting != 0 && whole && i == first + waiting && y - to == waiting * plan.table.step) {
        ++waiting;
        return;
      }
      finish();
      if (whole) {
        first = i, waiting = 1, to = y;
      } else {
        ForEachPart(plan.update, plan.update_cut, begin, end, [&](const GridPart& part) { encode(i, y, part); });
      }
    });
    finish();
  }
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
  ScatterPlan plan{quantize::MakePlan(update, target),
                   ScatterTable(self, geometry, 1),
                   geometry.updates > 1 ? ScatterLines(update.y) : ScatterLines(),
                   args.updates.stride(0) * ByteSize(args.updates.dtype()),
                   {},
                   {},
                   {}};
  plan.lines.joined = true;
  quantize::Plan& quantize = plan.quantize;
  quantize.streaming = plan.table.first_stride % 64 == 0 && plan.table.axis_stride % 64 == 0 &&
                       quantize::Streams(quantize, args.updates.elements(), exec.stores);
  quantize.far = args.updates.elements() * ByteSize(args.updates.dtype()) >= kBeyondL2;
  plan.update = quantize.grid;
  plan.update_cut = CutGrid(plan.update, exec, geometry.updates);
  plan.cut = ScatterCut(index, facts, plan.update_cut.Units(plan.update), plan.update_cut.tasks);
  if (geometry.updates > 1) {
    quantize.grid.Repeat({geometry.updates, {plan.table.step, plan.update_stride, 0}}, /*keep_last=*/false);
  }
  RunTasks(exec, plan.cut.tasks(), RunTask, &plan);
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
