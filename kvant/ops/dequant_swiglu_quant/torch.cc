#include <tuple>

#include "kvant/ops/dequant_swiglu_quant/dequant_swiglu_quant.h"
#include "kvant/torch/binding.h"

namespace kvant::binding {
namespace {

constexpr Reader kRead("dequant_swiglu_quant");

DequantSwigluQuantArgs Read(const Tensor& x, const Maybe& weight_scale, const Maybe& activation_scale,
                            const Maybe& bias, const Maybe& quant_scale, const Maybe& quant_offset,
                            const Maybe& group_index, int64_t quant_mode, Format format, int64_t swiglu_mode,
                            double clamp_limit, double glu_alpha, double glu_bias, bool activate_left) {
  DequantSwigluQuantArgs args;
  args.x = kRead.In("x", x);
  args.weight_scale = kRead.In("weight_scale", weight_scale);
  args.activation_scale = kRead.In("activation_scale", activation_scale);
  args.bias = kRead.In("bias", bias);
  args.quant_scale = kRead.In("quant_scale", quant_scale);
  args.quant_offset = kRead.In("quant_offset", quant_offset);
  args.group_index = kRead.In("group_index", group_index);
  args.activate_left = activate_left;
  args.quant_mode = kRead.Choice("quant_mode", quant_mode, ScaleSource::kDynamic);
  args.dst_type = format;
  args.swiglu_mode = kRead.Choice("swiglu_mode", swiglu_mode, SwigluMode::kClamped);
  args.clamp_limit = clamp_limit;
  args.glu_alpha = glu_alpha;
  args.glu_bias = glu_bias;
  return args;
}

std::tuple<Tensor, Tensor> Functional(const Tensor& x, const Maybe& weight_scale, const Maybe& activation_scale,
                                      const Maybe& bias, const Maybe& quant_scale, const Maybe& quant_offset,
                                      const Maybe& group_index, int64_t quant_mode, int64_t dst_type,
                                      int64_t swiglu_mode, double clamp_limit, double glu_alpha, double glu_bias,
                                      bool activate_left) {
  const Coded format = kRead.FormatCode(dst_type);
  DequantSwigluQuantArgs args =
      Read(x, weight_scale, activation_scale, bias, quant_scale, quant_offset, group_index, quant_mode, format.format,
           swiglu_mode, clamp_limit, glu_alpha, glu_bias, activate_left);
  TensorSpec y_spec, scale_spec;
  Check(InferDequantSwigluQuant(args, &y_spec, &scale_spec));
  Tensor y = Empty(StoredAs(format.storage, y_spec));
  Tensor scale = Empty(scale_spec);
  args.y = kRead.Out("y", y);
  args.scale = kRead.Out("scale", scale);
  Check(DequantSwigluQuant(args, Exec()));
  return {std::move(y), std::move(scale)};
}

void Into(const Tensor& x, const Maybe& weight_scale, const Maybe& activation_scale, const Maybe& bias,
          const Maybe& quant_scale, const Maybe& quant_offset, const Maybe& group_index, const Tensor& y,
          const Tensor& scale, int64_t quant_mode, int64_t dst_type, int64_t swiglu_mode, double clamp_limit,
          double glu_alpha, double glu_bias, bool activate_left) {
  DequantSwigluQuantArgs args =
      Read(x, weight_scale, activation_scale, bias, quant_scale, quant_offset, group_index, quant_mode,
           kRead.FormatCode(dst_type).format, swiglu_mode, clamp_limit, glu_alpha, glu_bias, activate_left);
  args.y = kRead.Out("y", y);
  args.scale = kRead.Out("scale", scale);
  Check(DequantSwigluQuant(args, Exec()));
}

KVANT_TORCH_SCHEMAS(m) {
  m.def(
      "dequant_swiglu_quant(Tensor x, Tensor? weight_scale=None, Tensor? activation_scale=None, Tensor? bias=None, "
      "Tensor? quant_scale=None, Tensor? quant_offset=None, Tensor? group_index=None, int quant_mode=0, "
      "int dst_type=1, int swiglu_mode=0, float clamp_limit=7.0, float glu_alpha=1.702, float glu_bias=1.0, "
      "bool activate_left=False) -> (Tensor, Tensor)");
  m.def(
      "dequant_swiglu_quant_out(Tensor x, Tensor? weight_scale, Tensor? activation_scale, Tensor? bias, "
      "Tensor? quant_scale, Tensor? quant_offset, Tensor? group_index, Tensor(a!) y, Tensor(b!) scale, "
      "int quant_mode=0, int dst_type=1, int swiglu_mode=0, float clamp_limit=7.0, float glu_alpha=1.702, "
      "float glu_bias=1.0, bool activate_left=False) -> ()");
}

KVANT_TORCH_KERNELS(m) {
  m.impl("dequant_swiglu_quant", TORCH_BOX(&Functional));
  m.impl("dequant_swiglu_quant_out", TORCH_BOX(&Into));
}

}  // namespace
}  // namespace kvant::binding
