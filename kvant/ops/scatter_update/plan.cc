#include "kvant/core/scatter_prefetch.h"
#include "kvant/ops/scatter_update/copy.h"
#include "kvant/ops/scatter_update/rules.h"

namespace kvant {
namespace {

struct ScatterPlan {
  scatter_update::Copier copier;  // of one update
  ScatterTable table;
  ScatterLines lines;
  const char* updates;
  int64_t update_stride;  // bytes
  GridCut grid_cut;
  ScatterCut cut;
};

void RunTask(void* arg, int task) {
  const ScatterPlan& plan = *static_cast<const ScatterPlan*>(arg);
  auto prefetch = PrefetchOf(plan.cut, task, plan.table, plan.lines);
  plan.cut.ForEach(task, [&](int64_t i, const ScatterPlace& place, int64_t begin, int64_t end) {
    prefetch.Before(i);
    ForEachPart(plan.copier.grid(), plan.grid_cut, begin, end, [&](const GridPart& part) {
      plan.copier.Copy(part, plan.table.At(place), plan.updates + i * plan.update_stride);
    });
  });
}

// Of checked arguments.
void Scatter(const TensorView& self, const ScatterIndex& index, const ScatterFacts& facts,
             const ConstTensorView& updates, const ExecOptions& exec) {
  if (updates.elements() == 0) return;
  const ScatterGeometry& geometry = index.geometry();
  const TensorView window = ScatterWindow(self, geometry);
  ScatterPlan plan{scatter_update::Copier(window, FirstUpdate(updates)),
                   ScatterTable(self, geometry, 0),
                   {},
                   static_cast<const char*>(updates.data()),
                   updates.stride(0) * ByteSize(updates.dtype()),
                   {},
                   {}};
  if (IsWorthAsking(plan.table, geometry, updates.elements() * ByteSize(updates.dtype()))) {
    plan.lines = ScatterLines(window);
  }
  plan.grid_cut = CutGrid(plan.copier.grid(), exec, geometry.updates);
  plan.cut = ScatterCut(index, facts, plan.grid_cut.Units(plan.copier.grid()), plan.grid_cut.tasks);
  RunTasks(exec, plan.cut.tasks(), RunTask, &plan);
}

}  // namespace

Status InferScatterUpdate(const ScatterUpdateArgs& args, TensorSpec* out) {
  ScatterGeometry geometry;
  KVANT_RETURN_IF_ERROR(scatter_update::CheckInputs(scatter_update::kOp, args, &geometry));
  *out = SpecOf(args.self);
  return {};
}

Status ScatterUpdateInPlace(const ScatterUpdateInPlaceArgs& args, const ExecOptions& exec) {
  ScatterGeometry geometry;
  KVANT_RETURN_IF_ERROR(scatter_update::Check(args, &geometry));
  const ScatterIndex index(args.indices, geometry, args.index_policy);
  ScatterFacts facts;
  KVANT_RETURN_IF_ERROR(index.Check(scatter_update::kInPlace, &facts));
  Scatter(args.self, index, facts, args.updates, exec);
  return {};
}

Status ScatterUpdate(const ScatterUpdateArgs& args, const ExecOptions& exec) {
  ScatterGeometry geometry;
  KVANT_RETURN_IF_ERROR(scatter_update::Check(args, &geometry));
  const ScatterIndex index(args.indices, geometry, args.index_policy);
  ScatterFacts facts;
  KVANT_RETURN_IF_ERROR(index.Check(scatter_update::kOp, &facts));
  scatter_update::CopyTensor(args.out, args.self, exec);
  Scatter(args.out, index, facts, args.updates, exec);
  return {};
}

}  // namespace kvant
