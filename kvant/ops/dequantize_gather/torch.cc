#include "kvant/ops/dequantize_gather/dequantize_gather.h"
#include "kvant/torch/binding.h"

namespace kvant::binding {
namespace {

constexpr Reader kRead("dequantize_gather");

DequantizeGatherArgs Read(const Tensor& var, const Tensor& var_scale, const Maybe& var_offset, const Tensor& indices,
                          int64_t dst_type, int64_t axis, int64_t length, int64_t group_size, int64_t index_mode,
                          int64_t index_policy, bool negate_offset) {
  DequantizeGatherArgs args;
  args.var = kRead.In("var", var);
  args.var_scale = kRead.In("var_scale", var_scale);
  args.var_offset = kRead.In("var_offset", var_offset);
  args.indices = kRead.In("indices", indices);
  args.dst_type = kRead.FormatCode(dst_type).format;
  args.length = length;
  args.group_size = group_size;
  args.negate_offset = negate_offset;
  args.axis = kRead.Axis(axis);
  args.index_mode = kRead.Indexing(index_mode);
  args.index_policy = kRead.Policy(index_policy);
  return args;
}

Tensor Functional(const Tensor& var, const Tensor& var_scale, const Maybe& var_offset, const Tensor& indices,
                  int64_t dst_type, int64_t axis, int64_t length, int64_t group_size, int64_t index_mode,
                  int64_t index_policy, int64_t dtype, bool negate_offset) {
  DequantizeGatherArgs args = Read(var, var_scale, var_offset, indices, dst_type, axis, length, group_size, index_mode,
                                   index_policy, negate_offset);
  TensorSpec spec;
  Check(InferDequantizeGather(args, kRead.DTypeCode(dtype), &spec));
  Tensor x = Empty(spec);
  args.x = kRead.Out("x", x);
  Check(DequantizeGather(args, Exec()));
  return x;
}

void Into(const Tensor& var, const Tensor& var_scale, const Maybe& var_offset, const Tensor& indices, const Tensor& x,
          int64_t dst_type, int64_t axis, int64_t length, int64_t group_size, int64_t index_mode, int64_t index_policy,
          bool negate_offset) {
  DequantizeGatherArgs args = Read(var, var_scale, var_offset, indices, dst_type, axis, length, group_size, index_mode,
                                   index_policy, negate_offset);
  args.x = kRead.Out("x", x);
  Check(DequantizeGather(args, Exec()));
}

KVANT_TORCH_SCHEMAS(m) {
  m.def(
      "dequantize_gather(Tensor var, Tensor var_scale, Tensor? var_offset, Tensor indices, int dst_type, int axis, "
      "int length, int group_size, int index_mode, int index_policy=0, int dtype=6, bool negate_offset=False) "
      "-> Tensor");
  m.def(
      "dequantize_gather_out(Tensor var, Tensor var_scale, Tensor? var_offset, Tensor indices, Tensor(a!) x, "
      "int dst_type, int axis, int length, int group_size, int index_mode, int index_policy=0, "
      "bool negate_offset=False) -> ()");
}

KVANT_TORCH_KERNELS(m) {
  m.impl("dequantize_gather", TORCH_BOX(&Functional));
  m.impl("dequantize_gather_out", TORCH_BOX(&Into));
}

}  // namespace
}  // namespace kvant::binding
