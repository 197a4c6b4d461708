#include "kvant/ops/quantize/plan.h"

#include <algorithm>

#include "kvant/ops/quantize/encoder.h"
#include "kvant/ops/quantize/rules.h"
#include "kvant/rowwise/cpu_tuning.h"

namespace kvant {
namespace {

using quantize::kIndex;
using quantize::kX;
using quantize::kY;

// Runs of elements with one parameter that are shorter than this are encoded with a parameter for each element, which
// takes 1.4 ns an element (Zen 4); a run of its own costs 45 ns and 0.16 ns an element.
constexpr int64_t kShortRun = 32;

// Joins short runs that share a parameter into rows; returns their length.
int64_t JoinRuns(Grid* grid) {
  if (grid->rank < 2) return 1;
  Grid::Dim &outer = grid->dims[grid->rank - 2], &run = grid->dims[grid->rank - 1];
  if (outer.stride[kIndex] == 0 || run.extent >= kShortRun) return 1;
  for (const int t : {kY, kX}) {
    if (outer.stride[t] != run.stride[t] * run.extent) return 1;
  }
  const int64_t length = run.extent;
  run.extent *= outer.extent;
  run.stride[kIndex] = 1;
  outer = run;
  --grid->rank;
  return length;
}

// Joins rows whose columns have the same parameters, as far as those fit a panel; returns the columns of one.
int64_t JoinRows(Grid* grid) {
  Grid::Dim& row = grid->dims[grid->rank - 1];
  const int64_t period = row.extent;
  if (grid->rank < 2 || row.stride[kIndex] == 0) return period;
  Grid::Dim& outer = grid->dims[grid->rank - 2];
  if (outer.stride[kIndex] != 0) return period;
  for (const int t : {kY, kX}) {
    if (outer.stride[t] != row.stride[t] * period) return period;
  }
  int64_t rows = std::min(quantize::kPanel / period, outer.extent);
  while (rows > 1 && outer.extent % rows != 0) --rows;
  if (rows <= 1) return period;
  row.extent *= rows;
  outer.extent /= rows;
  for (const int t : {kY, kX}) outer.stride[t] *= rows;
  if (outer.extent == 1) {
    outer = row;
    --grid->rank;
  }
  return period;
}

void RunPart(const void* arg, const GridPart& part) {
  const quantize::Plan& plan = *static_cast<const quantize::Plan*>(arg);
  quantize::Encoder encoder(plan);
  for (int64_t column = part.column, n; column < part.column_end; column += n) {
    n = std::min(encoder.panel(), part.column_end - column);
    encoder.Load(column, n, part.row_end - part.row);
    encoder.Encode({part.row, part.row_end, column, column + n}, plan.x, plan.y);
  }
}

}  // namespace

namespace quantize {

Parameter MakeParameter(const ConstTensorView& t) {
  Parameter p;
  if (!t.present()) return p;
  p.data = static_cast<const char*>(t.data());
  p.dtype = t.dtype();
  p.single = t.elements() == 1;
  p.map.AppendLeading(t, 0);
  return p;
}

Grid MakeGrid(const QuantizeArgs& args, int counted, int counter) {
  Grid grid;
  const bool one = args.quant_scales.elements() == 1 &&
                   (!args.quant_zero_points.present() || args.quant_zero_points.elements() == 1);
  const int64_t per_element = CodesPerElement(args.dst_type, args.y.dtype());
  const int last = args.x.rank() - 1;
  for (int d = 0; d <= last; ++d) {
    Grid::Dim dim{args.x.shape(d), {}};
    // The codes of an element lie together, whatever the stride of a single element is.
    dim.stride[kY] = d == last && per_element > 1 ? 1 : args.y.stride(d) * per_element;
    dim.stride[kX] = args.x.stride(d) * ByteSize(args.x.dtype());
    dim.stride[kIndex] = d == Axis(args) && !one ? 1 : 0;
    if (d == counted) dim.stride[counter] = 1;
    grid.Add(dim);
  }
  grid.Normalize(/*keep_last=*/args.dst_type == Format::kInt4);
  return grid;
}

Plan MakePlan(const QuantizeArgs& args, Target target) {
  Plan plan;
  plan.kernels = &GetRowKernels(target, args.x.dtype());
  plan.format = args.dst_type;
  plan.hybrid = args.round_mode == RoundMode::kHybrid;
  plan.reciprocal = args.reciprocal_scale;
  plan.x_dtype = args.x.dtype();
  plan.grid = MakeGrid(args);
  plan.repeat = JoinRuns(&plan.grid);
  plan.period = JoinRows(&plan.grid);
  plan.y = static_cast<char*>(args.y.data());
  plan.x = static_cast<const char*>(args.x.data());
  plan.scale = MakeParameter(args.quant_scales);
  plan.zero = MakeParameter(args.quant_zero_points);
  plan.streaming = false;
  plan.far = args.x.elements() * ByteSize(plan.x_dtype) >= kBeyondL2;
  return plan;
}

// What a streaming store writes is a cache line, and a line that is written by both kinds costs a half microsecond.
bool Streams(const Plan& plan, int64_t code_bytes, Stores stores) {
  if (stores == Stores::kNormal || (stores == Stores::kAuto && code_bytes <= kStreamingBytes)) return false;
  const Grid& grid = plan.grid;
  const int64_t line = plan.format == Format::kInt4 ? 128 : 64;  // codes
  bool whole = grid.column_stride(kY) == 1 && reinterpret_cast<uintptr_t>(plan.y) % 64 == 0;
  for (int d = 0; d < grid.rank - 1; ++d) whole = whole && grid.dims[d].stride[kY] % line == 0;
  return whole && (grid.columns() % line == 0 || grid.columns() >= 64 * line);
}

}  // namespace quantize

Status InferQuantize(const QuantizeArgs& args, TensorSpec* y) {
  KVANT_RETURN_IF_ERROR(quantize::CheckInputs(args));
  *y = CodeSpec(args.x, args.dst_type, StorageType(args.dst_type));
  return {};
}

Status Quantize(const QuantizeArgs& args, const ExecOptions& exec) {
  KVANT_RETURN_IF_ERROR(quantize::CheckInputs(args));
  KVANT_RETURN_IF_ERROR(quantize::CheckOutput(args));
  if (args.x.elements() == 0) return {};
  Target target{};
  KVANT_RETURN_IF_ERROR(ActiveTarget(&target));

  quantize::Plan plan = quantize::MakePlan(args, target);
  plan.streaming = quantize::Streams(plan, args.y.elements() * ByteSize(args.y.dtype()), exec.stores);
  RunGrid(plan.grid, CutGrid(plan.grid, exec), exec, RunPart, &plan);
  return {};
}

}  // namespace kvant
