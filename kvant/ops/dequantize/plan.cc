#include "kvant/ops/dequantize/plan.h"

#include "kvant/ops/dequantize/rules.h"
#include "kvant/rowwise/cpu_tuning.h"

namespace kvant {
namespace {

using dequantize::kCodes;
using dequantize::kOffset;
using dequantize::kScale;
using dequantize::kX;

const char* Data(const ConstTensorView& t) { return static_cast<const char*>(t.data()); }

// Dimension d of a parameter, in bytes.
int64_t ParamStride(const ConstTensorView& t, int d) { return t.present() ? t.stride(d) * ByteSize(t.dtype()) : 0; }

// Which dimension of the parameters dimension d of x is; -1: none.
int ParamDim(const DequantizeArgs& args, int d) {
  const int last = args.x.rank() - 1;
  switch (args.quant_mode) {
    case QuantMode::kPerToken:
      return d < last ? d : -1;
    case QuantMode::kPerTensor:
      return -1;
    case QuantMode::kPerChannel:
      return d == last ? d - 1 : d == last - 1 ? -1 : d;
  }
  return -1;
}

// Unless asked for, only where rows are whole cache lines, or long.
bool Streams(const Grid& grid, int64_t bytes, int64_t total, Stores stores) {
  if (stores == Stores::kNormal || grid.column_stride(kX) != bytes) return false;
  if (stores == Stores::kStreaming) return true;
  const int64_t row = grid.columns() * bytes;
  const bool whole_lines = row % 64 == 0 && grid.row_stride(kX) % 64 == 0;
  return (whole_lines || row >= 4096) && total * bytes > kStreamingBytes;
}

}  // namespace

Grid dequantize::MakeGrid(const DequantizeArgs& args) {
  Grid grid;
  const int64_t bytes = ByteSize(args.x.dtype());
  const int64_t per_element = CodesPerElement(args.dst_type, args.y.dtype());
  const int last = args.x.rank() - 1;
  for (int d = 0; d <= last; ++d) {
    Grid::Dim dim{args.x.shape(d), {}};
    dim.stride[kX] = args.x.stride(d) * bytes;
    // The codes of an element lie together, whatever the stride of a single element is.
    dim.stride[kCodes] = d == last && per_element > 1 ? 1 : args.y.stride(d) * per_element;
    const int param = ParamDim(args, d);
    if (param >= 0) {
      dim.stride[kScale] = ParamStride(args.scale, param);
      dim.stride[kOffset] = ParamStride(args.offset, param);
    }
    if (d == last && args.group_size != 0) {
      Grid::Dim groups{dim.extent / args.group_size, {}};
      groups.stride[kX] = dim.stride[kX] * args.group_size;
      groups.stride[kCodes] = dim.stride[kCodes] * args.group_size;
      groups.stride[kScale] = ParamStride(args.scale, last);
      groups.stride[kOffset] = ParamStride(args.offset, last);
      grid.Add(groups);
      dim.extent = args.group_size;
    }
    grid.Add(dim);
  }
  grid.Normalize(/*keep_last=*/args.dst_type == Format::kInt4);
  return grid;
}

dequantize::Plan dequantize::MakePlan(const DequantizeArgs& args, Target target, Stores stores) {
  Plan plan;
  plan.kernels = &GetKernels(target);
  plan.format = args.dst_type;
  plan.x_dtype = args.x.dtype();
  plan.param_dtype = args.scale.dtype();
  plan.grid = MakeGrid(args);
  plan.x = static_cast<char*>(args.x.data());
  plan.codes = Data(args.y);
  plan.scale = Data(args.scale);
  plan.offset = args.offset.present() ? Data(args.offset) : nullptr;
  plan.negate = args.negate_offset;
  plan.streaming = Streams(plan.grid, ByteSize(plan.x_dtype), args.x.elements(), stores);
  return plan;
}

Status InferDequantize(const DequantizeArgs& args, DType dtype, TensorSpec* x) {
  TensorSpec spec;
  KVANT_RETURN_IF_ERROR(dequantize::CheckInputs(args, dtype, &spec));
  *x = spec;
  return {};
}

Status Dequantize(const DequantizeArgs& args, const ExecOptions& exec) {
  TensorSpec spec;
  KVANT_RETURN_IF_ERROR(CheckPresent(dequantize::kOp, {"x", ConstTensorView(args.x)}));
  KVANT_RETURN_IF_ERROR(dequantize::CheckInputs(args, args.x.dtype(), &spec));
  KVANT_RETURN_IF_ERROR(dequantize::CheckOutput(args, spec));
  if (spec.elements() == 0) return {};
  Target target{};
  KVANT_RETURN_IF_ERROR(ActiveTarget(&target));

  const dequantize::Plan plan = dequantize::MakePlan(args, target, exec.stores);
  RunGrid(plan.grid, CutGrid(plan.grid, exec), exec, dequantize::RunPart, &plan);
  return {};
}

}  // namespace kvant
