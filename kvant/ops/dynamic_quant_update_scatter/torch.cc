#include "kvant/ops/dynamic_quant_update_scatter/dynamic_quant_update_scatter.h"
#include "kvant/torch/binding.h"

namespace kvant::binding {
namespace {

constexpr Reader kRead("dynamic_quant_update_scatter_");

void InPlace(const Tensor& var, const Tensor& var_scale, const Maybe& var_offset, const Tensor& indices,
             const Tensor& updates, const Maybe& smooth_scales, const Maybe& second_var, const Maybe& second_scale,
             const Maybe& second_offset, const Maybe& second_updates, int64_t dst_type, int64_t axis,
             int64_t group_size, int64_t index_mode, int64_t index_policy, bool negate_offset) {
  DynamicQuantUpdateScatterArgs args;
  args.updates = kRead.In("updates", updates);
  args.var = kRead.Out("var", var);
  args.var_scale = kRead.Out("var_scale", var_scale);
  args.var_offset = kRead.Out("var_offset", var_offset);
  args.second.updates = kRead.In("second.updates", second_updates);
  args.second.var = kRead.Out("second.var", second_var);
  args.second.var_scale = kRead.Out("second.var_scale", second_scale);
  args.second.var_offset = kRead.Out("second.var_offset", second_offset);
  args.indices = kRead.In("indices", indices);
  args.smooth_scales = kRead.In("smooth_scales", smooth_scales);
  args.dst_type = kRead.FormatCode(dst_type).format;
  args.symmetric = !var_offset.has_value();
  args.negate_offset = negate_offset;
  args.group_size = group_size;
  args.axis = kRead.Axis(axis);
  args.index_mode = kRead.Indexing(index_mode);
  args.index_policy = kRead.Policy(index_policy);
  Check(DynamicQuantUpdateScatter(args, Exec()));
}

KVANT_TORCH_SCHEMAS(m) {
  m.def(
      "dynamic_quant_update_scatter_(Tensor(a!) var, Tensor(b!) var_scale, Tensor(c!)? var_offset, Tensor indices, "
      "Tensor updates, Tensor? smooth_scales, Tensor(d!)? second_var, Tensor(e!)? second_scale, "
      "Tensor(f!)? second_offset, Tensor? second_updates, int dst_type, int axis, int group_size, int index_mode, "
      "int index_policy=0, bool negate_offset=False) -> ()");
}

KVANT_TORCH_KERNELS(m) { m.impl("dynamic_quant_update_scatter_", TORCH_BOX(&InPlace)); }

}  // namespace
}  // namespace kvant::binding
