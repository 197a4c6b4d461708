#include "kvant/ops/quant_scatter/quant_scatter.h"
#include "kvant/torch/binding.h"

namespace kvant::binding {
namespace {

constexpr Reader kRead("quant_scatter");
constexpr Reader kInPlace("quant_scatter_");

// Everything but self and out, of either kind of arguments.
template <class Args>
Args Read(const Reader& read, const Tensor& indices, const Tensor& updates, const Tensor& quant_scales,
          const Maybe& quant_zero_points, int64_t dst_type, int64_t axis, int64_t quant_axis, int64_t round_mode,
          int64_t index_mode, int64_t index_policy, bool reciprocal_scale) {
  Args args;
  args.indices = read.In("indices", indices);
  args.updates = read.In("updates", updates);
  args.quant_scales = read.In("quant_scales", quant_scales);
  args.quant_zero_points = read.In("quant_zero_points", quant_zero_points);
  args.dst_type = read.FormatCode(dst_type).format;
  args.axis = read.Axis(axis);
  args.quant_axis = read.Axis(quant_axis);
  args.round_mode = read.Rounding(round_mode);
  args.index_mode = read.Indexing(index_mode);
  args.index_policy = read.Policy(index_policy);
  args.reciprocal_scale = reciprocal_scale;
  return args;
}

Tensor Functional(const Tensor& dest, const Tensor& indices, const Tensor& updates, const Tensor& quant_scales,
                  const Maybe& quant_zero_points, int64_t dst_type, int64_t axis, int64_t quant_axis,
                  int64_t round_mode, int64_t index_mode, int64_t index_policy, bool reciprocal_scale) {
  auto args = Read<QuantScatterArgs>(kRead, indices, updates, quant_scales, quant_zero_points, dst_type, axis,
                                     quant_axis, round_mode, index_mode, index_policy, reciprocal_scale);
  args.self = kRead.In("self", dest);
  TensorSpec spec;
  Check(InferQuantScatter(args, &spec));
  Tensor out = Empty(spec);
  args.out = kRead.Out("out", out);
  Check(QuantScatter(args, Exec()));
  return out;
}

void InPlace(const Tensor& dest, const Tensor& indices, const Tensor& updates, const Tensor& quant_scales,
             const Maybe& quant_zero_points, int64_t dst_type, int64_t axis, int64_t quant_axis, int64_t round_mode,
             int64_t index_mode, int64_t index_policy, bool reciprocal_scale) {
  auto args = Read<QuantScatterInPlaceArgs>(kInPlace, indices, updates, quant_scales, quant_zero_points, dst_type, axis,
                                            quant_axis, round_mode, index_mode, index_policy, reciprocal_scale);
  args.self = kInPlace.Out("self", dest);
  Check(QuantScatterInPlace(args, Exec()));
}

KVANT_TORCH_SCHEMAS(m) {
  m.def(
      "quant_scatter(Tensor dest, Tensor indices, Tensor updates, Tensor quant_scales, Tensor? quant_zero_points, "
      "int dst_type, int axis, int quant_axis, int round_mode, int index_mode, int index_policy=0, "
      "bool reciprocal_scale=False) -> Tensor");
  m.def(
      "quant_scatter_(Tensor(a!) dest, Tensor indices, Tensor updates, Tensor quant_scales, "
      "Tensor? quant_zero_points, int dst_type, int axis, int quant_axis, int round_mode, int index_mode, "
      "int index_policy=0, bool reciprocal_scale=False) -> ()");
}

KVANT_TORCH_KERNELS(m) {
  m.impl("quant_scatter", TORCH_BOX(&Functional));
  m.impl("quant_scatter_", TORCH_BOX(&InPlace));
}

}  // namespace
}  // namespace kvant::binding
