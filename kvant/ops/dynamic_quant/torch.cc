#include <tuple>

#include "kvant/ops/dynamic_quant/dynamic_quant.h"
#include "kvant/torch/binding.h"

namespace kvant::binding {
namespace {

struct Call {
  DynamicQuantArgs args;
  Coded format;
};

Call Read(const Reader& read, const Tensor& x, const Maybe& smooth_scales, const Maybe& group_index, int64_t dst_type,
          int64_t quant_mode, int64_t group_size, double dst_type_max, bool symmetric) {
  Call call = {{}, read.FormatCode(dst_type)};
  call.args.x = read.In("x", x);
  call.args.smooth_scales = read.In("smooth_scales", smooth_scales);
  call.args.group_index = read.In("group_index", group_index);
  call.args.dst_type = call.format.format;
  call.args.symmetric = symmetric;
  call.args.quant_mode = read.Mode(quant_mode);
  call.args.group_size = group_size;
  call.args.dst_type_max = dst_type_max;
  return call;
}

constexpr Reader kRead("dynamic_quant");

std::tuple<Tensor, Tensor, Tensor> Asymmetric(const Tensor& x, const Maybe& smooth_scales, const Maybe& group_index,
                                              int64_t dst_type, int64_t quant_mode, int64_t group_size,
                                              double dst_type_max) {
  auto [args, format] =
      Read(kRead, x, smooth_scales, group_index, dst_type, quant_mode, group_size, dst_type_max, false);
  DynamicQuantOutputs specs;
  Check(InferDynamicQuant(args, &specs));
  Tensor y = Empty(StoredAs(format.storage, specs.y));
  Tensor scale = Empty(specs.scale);
  Tensor offset = Empty(specs.offset);
  args.y = kRead.Out("y", y);
  args.scale = kRead.Out("scale", scale);
  args.offset = kRead.Out("offset", offset);
  Check(DynamicQuant(args, Exec(Workspace(args))));
  return {std::move(y), std::move(scale), std::move(offset)};
}

std::tuple<Tensor, Tensor> Symmetric(const Tensor& x, const Maybe& smooth_scales, const Maybe& group_index,
                                     int64_t dst_type, int64_t quant_mode, int64_t group_size, double dst_type_max) {
  auto [args, format] =
      Read(kRead, x, smooth_scales, group_index, dst_type, quant_mode, group_size, dst_type_max, true);
  DynamicQuantOutputs specs;
  Check(InferDynamicQuant(args, &specs));
  Tensor y = Empty(StoredAs(format.storage, specs.y));
  Tensor scale = Empty(specs.scale);
  args.y = kRead.Out("y", y);
  args.scale = kRead.Out("scale", scale);
  Check(DynamicQuant(args, Exec(Workspace(args))));
  return {std::move(y), std::move(scale)};
}

void Into(const Tensor& x, const Maybe& smooth_scales, const Maybe& group_index, const Tensor& y, const Tensor& scale,
          const Maybe& offset, int64_t dst_type, int64_t quant_mode, int64_t group_size, double dst_type_max) {
  DynamicQuantArgs args = Read(kRead, x, smooth_scales, group_index, dst_type, quant_mode, group_size, dst_type_max,
                               /*symmetric=*/!offset.has_value())
                              .args;
  args.y = kRead.Out("y", y);
  args.scale = kRead.Out("scale", scale);
  args.offset = kRead.Out("offset", offset);
  Check(DynamicQuant(args, Exec(Workspace(args))));
}

KVANT_TORCH_SCHEMAS(m) {
  m.def(
      "dynamic_quant(Tensor x, Tensor? smooth_scales=None, Tensor? group_index=None, int dst_type=1, "
      "int quant_mode=0, int group_size=0, float dst_type_max=0.0) -> (Tensor, Tensor, Tensor)");
  m.def(
      "dynamic_quant_symmetric(Tensor x, Tensor? smooth_scales=None, Tensor? group_index=None, int dst_type=1, "
      "int quant_mode=0, int group_size=0, float dst_type_max=0.0) -> (Tensor, Tensor)");
  m.def(
      "dynamic_quant_out(Tensor x, Tensor? smooth_scales, Tensor? group_index, Tensor(a!) y, Tensor(b!) scale, "
      "Tensor(c!)? offset, int dst_type=1, int quant_mode=0, int group_size=0, float dst_type_max=0.0) -> ()");
}

KVANT_TORCH_KERNELS(m) {
  m.impl("dynamic_quant", TORCH_BOX(&Asymmetric));
  m.impl("dynamic_quant_symmetric", TORCH_BOX(&Symmetric));
  m.impl("dynamic_quant_out", TORCH_BOX(&Into));
}

}  // namespace
}  // namespace kvant::binding
