#include <tuple>

#include "kvant/ops/params/params.h"
#include "kvant/torch/binding.h"

namespace kvant::binding {
namespace {

constexpr Reader kFromAmax("params_from_amax");
constexpr Reader kFromMinMax("params_from_minmax");

void FromAmaxInto(const Tensor& amax, const Tensor& scale, int64_t dst_type, double dst_type_max) {
  ParamsFromAmaxArgs args;
  args.amax = kFromAmax.In("amax", amax);
  args.dst_type = kFromAmax.FormatCode(dst_type).format;
  args.dst_type_max = dst_type_max;
  args.scale = kFromAmax.Out("scale", scale);
  Check(ParamsFromAmax(args, Exec()));
}

Tensor FromAmax(const Tensor& amax, int64_t dst_type, double dst_type_max) {
  Tensor scale = kFromAmax.EmptyLike(amax);
  FromAmaxInto(amax, scale, dst_type, dst_type_max);
  return scale;
}

void FromMinMaxInto(const Tensor& min, const Tensor& max, const Tensor& scale, const Tensor& offset, int64_t dst_type,
                    double dst_type_max) {
  ParamsFromMinMaxArgs args;
  args.min = kFromMinMax.In("min", min);
  args.max = kFromMinMax.In("max", max);
  args.dst_type = kFromMinMax.FormatCode(dst_type).format;
  args.dst_type_max = dst_type_max;
  args.scale = kFromMinMax.Out("scale", scale);
  args.offset = kFromMinMax.Out("offset", offset);
  Check(ParamsFromMinMax(args, Exec()));
}

std::tuple<Tensor, Tensor> FromMinMax(const Tensor& min, const Tensor& max, int64_t dst_type, double dst_type_max) {
  Tensor scale = kFromMinMax.EmptyLike(min);
  Tensor offset = kFromMinMax.EmptyLike(min);
  FromMinMaxInto(min, max, scale, offset, dst_type, dst_type_max);
  return {std::move(scale), std::move(offset)};
}

KVANT_TORCH_SCHEMAS(m) {
  m.def("params_from_amax(Tensor amax, int dst_type=1, float dst_type_max=0.0) -> Tensor");
  m.def("params_from_amax_out(Tensor amax, Tensor(a!) scale, int dst_type=1, float dst_type_max=0.0) -> ()");
  m.def("params_from_minmax(Tensor min, Tensor max, int dst_type=1, float dst_type_max=0.0) -> (Tensor, Tensor)");
  m.def(
      "params_from_minmax_out(Tensor min, Tensor max, Tensor(a!) scale, Tensor(b!) offset, int dst_type=1, "
      "float dst_type_max=0.0) -> ()");
}

KVANT_TORCH_KERNELS(m) {
  m.impl("params_from_amax", TORCH_BOX(&FromAmax));
  m.impl("params_from_amax_out", TORCH_BOX(&FromAmaxInto));
  m.impl("params_from_minmax", TORCH_BOX(&FromMinMax));
  m.impl("params_from_minmax_out", TORCH_BOX(&FromMinMaxInto));
}

}  // namespace
}  // namespace kvant::binding
