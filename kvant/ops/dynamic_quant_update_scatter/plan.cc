#include "kvant/ops/dynamic_quant_update_scatter/plain.h"
#include "kvant/ops/dynamic_quant_update_scatter/rules.h"
#include "kvant/rowwise/drive_scatter.h"
#include "kvant/rowwise/make_plan.h"

namespace kvant {
namespace {

namespace rules = dynamic_quant_update_scatter;

Status MakePlan(const DynamicQuantUpdateScatterArgs& args, const CacheUpdate& cache, const ScatterIndex& index,
                const ScatterFacts& facts, const ExecOptions& exec, RowwisePlan* plan, RowScatter* to) {
  const ConstTensorView none{};
  plan->format = args.dst_type;
  plan->asymmetric = !args.symmetric;
  plan->d = Info(args.dst_type).d;
  plan->r = RangeFor(args.dst_type, plan->d);
  plan->param_dtype = cache.var_scale.dtype();
  plan->negate_offset = args.negate_offset;
  KVANT_RETURN_IF_ERROR(
      MakeRowwisePlan({rules::kOp, cache.updates, args.smooth_scales, none, QuantMode::kPerToken, args.group_size},
                      {none, none, none}, exec, plan));
  const ScatterGeometry& g = index.geometry();
  const bool packed = args.dst_type == Format::kInt4;
  plan->y.step = packed ? 1 : cache.var.stride(-1) * ByteSize(cache.var.dtype());
  to->y = ScatterTable(cache.var, g, 1);
  to->y.inner.Append(plan->rows_per_token, plan->columns * plan->y.step / (packed ? 2 : 1));
  to->scale = ScatterTable(cache.var_scale, g, 0);
  if (plan->asymmetric) to->offset = ScatterTable(cache.var_offset, g, 0);
  to->rows_per_update = g.updates == 0 ? 0 : plan->rows / g.updates;
  to->cut = ScatterCut(index, facts, to->rows_per_update, ScatterTasks(*plan, NumThreads(exec)));
  plan->scatter = to;
  return {};
}

// Row-major, so a row of the table is a row of the plan.
void MakePlan(const PlainRows& rows, DType param_dtype, const ScatterIndex& index, const ScatterFacts& facts,
              RowwisePlan* plan, RowScatter* to) {
  PlanPlainRows(rows, plan);
  plan->param_dtype = param_dtype;
  const ScatterGeometry& g = index.geometry();
  to->rows_per_update = rows.rows / g.updates;
  const int64_t rows_per_position = to->rows_per_update / g.length;
  const auto table = [&](char* data, int64_t row_bytes, ScatterTable* t) {
    t->data = data;
    t->axis_stride = rows_per_position * row_bytes;
    t->first_stride = g.positions * t->axis_stride;
    t->inner.Append(to->rows_per_update, row_bytes);
  };
  table(rows.y, CodeBytes(rows.format, rows.columns), &to->y);
  table(rows.scale, ByteSize(param_dtype), &to->scale);
  if (plan->asymmetric) table(rows.offset, ByteSize(param_dtype), &to->offset);
  to->cut = ScatterCut(index, facts, to->rows_per_update, 1);
  plan->scatter = to;
}

// A single update's rows follow one another in the cache too, so that dynamic_quant can write them.
bool IsDense(const PlainUpdate& update, const DynamicQuantUpdateScatterArgs& args) {
  if (update.geometry.updates != 1 || args.negate_offset) return false;
  return update.table[0] == DType::kFloat32 && (update.caches == 1 || update.table[1] == DType::kFloat32);
}

void RunDense(const PlainUpdate& update, const ScatterIndex& index) {
  ScatterPlace place;
  if (!index.Decode(0, &place)) return;
  const ScatterGeometry& g = index.geometry();
  for (int i = 0; i < update.caches; ++i) {
    PlainRows rows = update.rows[i];
    const int64_t before = (place.first * g.positions + place.start) * (rows.rows / g.length);
    rows.y += before * CodeBytes(rows.format, rows.columns);
    rows.scale += before * static_cast<int64_t>(sizeof(float));
    if (rows.offset != nullptr) rows.offset += before * static_cast<int64_t>(sizeof(float));
    QuantizePlainRows(rows);
  }
}

template <int kCaches>
Status RunPlain(const DynamicQuantUpdateScatterArgs& args, const PlainUpdate& update, const ExecOptions& exec) {
  const ScatterIndex index(args.indices, update.geometry, args.index_policy);
  ScatterFacts facts;
  KVANT_RETURN_IF_ERROR(index.Check(rules::kOp, &facts));
  if (IsDense(update, args)) {
    RunDense(update, index);
    return {};
  }
  RowwisePlan plans[kCaches];
  RowScatter to[kCaches];
  for (int i = 0; i < kCaches; ++i) {
    MakePlan(update.rows[i], update.table[i], index, facts, &plans[i], &to[i]);
    plans[i].negate_offset = args.negate_offset;
  }
  RunScatter(plans, exec);
  return {};
}

}  // namespace

Status DynamicQuantUpdateScatter(const DynamicQuantUpdateScatterArgs& given, const ExecOptions& exec) {
  PlainUpdate update;
  if (FindPlainUpdate(given, &update)) {
    return update.caches == 1 ? RunPlain<1>(given, update, exec) : RunPlain<2>(given, update, exec);
  }
  const DynamicQuantUpdateScatterArgs args = rules::Canonical(given);
  ScatterGeometry geometry;
  KVANT_RETURN_IF_ERROR(rules::Check(args, &geometry));
  const ScatterIndex index(args.indices, geometry, args.index_policy);
  ScatterFacts facts;
  KVANT_RETURN_IF_ERROR(index.Check(rules::kOp, &facts));
  RowwisePlan plans[2];
  RowScatter to[2];
  const size_t count = args.second.var.present() ? 2 : 1;
  KVANT_RETURN_IF_ERROR(MakePlan(args, args, index, facts, exec, &plans[0], &to[0]));
  if (count == 2) KVANT_RETURN_IF_ERROR(MakePlan(args, args.second, index, facts, exec, &plans[1], &to[1]));
  RunScatter({plans, count}, exec);
  return {};
}

}  // namespace kvant
