#include "kvant/ops/dequantize/dequantize.h"
#include "kvant/torch/binding.h"

namespace kvant::binding {
namespace {

constexpr Reader kRead("dequantize");

DequantizeArgs Read(const Tensor& y, const Tensor& scale, const Maybe& offset, int64_t dst_type, int64_t quant_mode,
                    int64_t group_size, bool negate_offset) {
  DequantizeArgs args;
  args.y = kRead.In("y", y);
  args.scale = kRead.In("scale", scale);
  args.offset = kRead.In("offset", offset);
  args.dst_type = kRead.FormatCode(dst_type).format;
  args.quant_mode = kRead.Mode(quant_mode);
  args.group_size = group_size;
  args.negate_offset = negate_offset;
  return args;
}

Tensor Functional(const Tensor& y, const Tensor& scale, const Maybe& offset, int64_t dst_type, int64_t quant_mode,
                  int64_t group_size, int64_t dtype, bool negate_offset) {
  DequantizeArgs args = Read(y, scale, offset, dst_type, quant_mode, group_size, negate_offset);
  TensorSpec spec;
  Check(InferDequantize(args, kRead.DTypeCode(dtype), &spec));
  Tensor x = Empty(spec);
  args.x = kRead.Out("x", x);
  Check(Dequantize(args, Exec()));
  return x;
}

void Into(const Tensor& y, const Tensor& scale, const Maybe& offset, const Tensor& x, int64_t dst_type,
          int64_t quant_mode, int64_t group_size, bool negate_offset) {
  DequantizeArgs args = Read(y, scale, offset, dst_type, quant_mode, group_size, negate_offset);
  args.x = kRead.Out("x", x);
  Check(Dequantize(args, Exec()));
}

KVANT_TORCH_SCHEMAS(m) {
  m.def(
      "dequantize(Tensor y, Tensor scale, Tensor? offset, int dst_type, int quant_mode=0, int group_size=0, "
      "int dtype=6, bool negate_offset=False) -> Tensor");
  m.def(
      "dequantize_out(Tensor y, Tensor scale, Tensor? offset, Tensor(a!) x, int dst_type, int quant_mode=0, "
      "int group_size=0, bool negate_offset=False) -> ()");
}

KVANT_TORCH_KERNELS(m) {
  m.impl("dequantize", TORCH_BOX(&Functional));
  m.impl("dequantize_out", TORCH_BOX(&Into));
}

}  // namespace
}  // namespace kvant::binding
