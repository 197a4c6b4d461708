#include <algorithm>

#include "kvant/core/scatter_prefetch.h"
#include "kvant/ops/quant_scatter/rules.h"
#include "kvant/ops/quantize/encoder.h"
#include "kvant/ops/scatter_update/copy.h"

namespace kvant {
namespace {

struct ScatterPlan {
  quantize::Plan quantize;  // of one update
  ScatterTable table;
  ScatterLines lines;
  int64_t update_stride;  // bytes
  GridCut grid_cut;
  ScatterCut cut;
};

void RunTask(void* arg, int task) {
  const ScatterPlan& plan = *static_cast<const ScatterPlan*>(arg);
  const Grid& grid = plan.quantize.grid;
  const int64_t columns = grid.columns();
  const int64_t rows = plan.cut.index().geometry().updates * grid.rows() / plan.cut.tasks();
  quantize::Encoder encoder(plan.quantize);
  // Parameters are loaded once for a panel of columns of all updates.
  for (int64_t column = 0, n; column < columns; column += n) {
    n = std::min(encoder.panel(), columns - column);
    encoder.Load(column, n, rows);
    ScatterPrefetch prefetch(plan.cut, task, plan.table, plan.lines);
    plan.cut.ForEach(task, [&](int64_t i, const ScatterPlace& place, int64_t begin, int64_t end) {
      prefetch.Before(i);
      ForEachPart(grid, plan.grid_cut, begin, end, [&](GridPart part) {
        part.column = std::max(part.column, column);
        part.column_end = std::min(part.column_end, column + n);
        encoder.Encode(part, plan.quantize.x + i * plan.update_stride, plan.table.At(place));
      });
    });
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
                   {}};
  const Grid& grid = plan.quantize.grid;
  plan.quantize.streaming = plan.table.first_stride % 64 == 0 && plan.table.axis_stride % 64 == 0 &&
                            quantize::Streams(plan.quantize, args.updates.elements(), exec.stores);
  plan.grid_cut = CutGrid(grid, exec, geometry.updates);
  plan.cut = ScatterCut(index, facts, plan.grid_cut.Units(grid), plan.grid_cut.tasks);
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
