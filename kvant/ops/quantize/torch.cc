#include "kvant/ops/quantize/quantize.h"

#include "kvant/torch/binding.h"

namespace kvant::binding {
namespace {

constexpr Reader kRead("quantize");

QuantizeArgs Read(const Tensor& x, const Tensor& quant_scales, const Maybe& quant_zero_points, Format format,
                  int64_t axis, int64_t round_mode, bool reciprocal_scale) {
  QuantizeArgs args;
  args.x = kRead.In("x", x);
  args.quant_scales = kRead.In("quant_scales", quant_scales);
  args.quant_zero_points = kRead.In("quant_zero_points", quant_zero_points);
  args.dst_type = format;
  args.axis = kRead.Axis(axis);
  args.reciprocal_scale = reciprocal_scale;
  args.round_mode = kRead.Rounding(round_mode);
  return args;
}

Tensor Functional(const Tensor& x, const Tensor& quant_scales, const Maybe& quant_zero_points, int64_t dst_type,
                  int64_t axis, int64_t round_mode, bool reciprocal_scale) {
  const Coded format = kRead.FormatCode(dst_type);
  QuantizeArgs args = Read(x, quant_scales, quant_zero_points, format.format, axis, round_mode, reciprocal_scale);
  TensorSpec spec;
  Check(InferQuantize(args, &spec));
  Tensor y = Empty(StoredAs(format.storage, spec));
  args.y = kRead.Out("y", y);
  Check(Quantize(args, Exec()));
  return y;
}

void Into(const Tensor& x, const Tensor& quant_scales, const Maybe& quant_zero_points, const Tensor& y,
          int64_t dst_type, int64_t axis, int64_t round_mode, bool reciprocal_scale) {
  QuantizeArgs args =
      Read(x, quant_scales, quant_zero_points, kRead.FormatCode(dst_type).format, axis, round_mode, reciprocal_scale);
  args.y = kRead.Out("y", y);
  Check(Quantize(args, Exec()));
}

KVANT_TORCH_SCHEMAS(m) {
  m.def(
      "quantize(Tensor x, Tensor quant_scales, Tensor? quant_zero_points=None, int dst_type=1, int axis=-1, "
      "int round_mode=0, bool reciprocal_scale=False) -> Tensor");
  m.def(
      "quantize_out(Tensor x, Tensor quant_scales, Tensor? quant_zero_points, Tensor(a!) y, int dst_type=1, "
      "int axis=-1, int round_mode=0, bool reciprocal_scale=False) -> ()");
}

KVANT_TORCH_KERNELS(m) {
  m.impl("quantize", TORCH_BOX(&Functional));
  m.impl("quantize_out", TORCH_BOX(&Into));
}

}  // namespace
}  // namespace kvant::binding
