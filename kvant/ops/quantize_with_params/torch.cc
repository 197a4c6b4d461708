#include "kvant/ops/quantize_with_params/quantize_with_params.h"
#include "kvant/torch/binding.h"

namespace kvant::binding {
namespace {

constexpr Reader kRead("quantize_with_params");

QuantizeWithParamsArgs Read(const Tensor& x, const Tensor& scale, const Maybe& offset, const Maybe& smooth_scales,
                            const Maybe& group_index, Format format, int64_t quant_mode, int64_t group_size) {
  QuantizeWithParamsArgs args;
  args.x = kRead.In("x", x);
  args.scale = kRead.In("scale", scale);
  args.offset = kRead.In("offset", offset);
  args.smooth_scales = kRead.In("smooth_scales", smooth_scales);
  args.group_index = kRead.In("group_index", group_index);
  args.dst_type = format;
  args.quant_mode = kRead.Mode(quant_mode);
  args.group_size = group_size;
  return args;
}

Tensor Functional(const Tensor& x, const Tensor& scale, const Maybe& offset, const Maybe& smooth_scales,
                  const Maybe& group_index, int64_t dst_type, int64_t quant_mode, int64_t group_size) {
  const Coded format = kRead.FormatCode(dst_type);
  QuantizeWithParamsArgs args =
      Read(x, scale, offset, smooth_scales, group_index, format.format, quant_mode, group_size);
  TensorSpec spec;
  Check(InferQuantizeWithParams(args, &spec));
  Tensor y = Empty(StoredAs(format.storage, spec));
  args.y = kRead.Out("y", y);
  Check(QuantizeWithParams(args, Exec()));
  return y;
}

void Into(const Tensor& x, const Tensor& scale, const Maybe& offset, const Maybe& smooth_scales,
          const Maybe& group_index, const Tensor& y, int64_t dst_type, int64_t quant_mode, int64_t group_size) {
  QuantizeWithParamsArgs args =
      Read(x, scale, offset, smooth_scales, group_index, kRead.FormatCode(dst_type).format, quant_mode, group_size);
  args.y = kRead.Out("y", y);
  Check(QuantizeWithParams(args, Exec()));
}

KVANT_TORCH_SCHEMAS(m) {
  m.def(
      "quantize_with_params(Tensor x, Tensor scale, Tensor? offset=None, Tensor? smooth_scales=None, "
      "Tensor? group_index=None, int dst_type=1, int quant_mode=0, int group_size=0) -> Tensor");
  m.def(
      "quantize_with_params_out(Tensor x, Tensor scale, Tensor? offset, Tensor? smooth_scales, Tensor? group_index, "
      "Tensor(a!) y, int dst_type=1, int quant_mode=0, int group_size=0) -> ()");
}

KVANT_TORCH_KERNELS(m) {
  m.impl("quantize_with_params", TORCH_BOX(&Functional));
  m.impl("quantize_with_params_out", TORCH_BOX(&Into));
}

}  // namespace
}  // namespace kvant::binding
