// quantize on a device: static scales, one for all or one for each column.
#include <fmt/format.h>

#include "kvant/ops/quantize/cuda.h"
#include "kvant/testing/cuda_bench.h"

namespace kvant::bench {
namespace {

void Add(int64_t rows, int64_t columns, DType dtype, Format format, bool per_channel, bool quick = false) {
  const int64_t code_bytes = columns * Info(format).bits / 8, scales = per_channel ? columns : 1;
  CudaCase c;
  c.name = fmt::format("quantize/{}x{}/{}/{}{}", rows, columns, Name(dtype), Name(format),
                       per_channel ? "/per_channel" : "");
  c.tensors = {
      {rows * columns * ByteSize(dtype), Normal(dtype)}, {scales * 4, Constant(0.03f)}, {rows * code_bytes, {}}};
  c.moved = rows * (columns * ByteSize(dtype) + code_bytes) + scales * 4;
  c.call = [=](const std::vector<char*>& b, const cuda::Exec& exec) {
    QuantizeArgs args;
    args.x = ConstTensorView(b[0], dtype, {rows, columns});
    args.quant_scales = ConstTensorView(b[1], DType::kFloat32, {scales});
    args.dst_type = format;
    args.y = TensorView(b[2], StorageType(format), {rows, code_bytes});
    OnDevice(args.x, args.quant_scales, args.y);
    return cuda::Quantize(args, exec).ok();
  };
  c.goal = GoalOf(rows, columns, c.moved);
  c.quick = quick;
  AddCudaCase(std::move(c));
}

[[maybe_unused]] const bool kAdded = [] {
  constexpr int64_t kElements = 48 << 20;
  for (const Format format : {Format::kInt8, Format::kInt4, Format::kFloat8E4M3FN}) {
    for (const bool per_channel : {false, true}) {
      for (const int64_t columns : kFewRowLengths) {
        const bool quick = columns == 1000 || columns == 4096 || (columns == 14344 && format == Format::kInt8);
        Add(kElements / columns, columns, DType::kBFloat16, format, per_channel, quick);
      }
      for (const DType dtype : {DType::kFloat16, DType::kFloat32}) {
        Add(kElements / 4096, 4096, dtype, format, per_channel);
      }
      for (const int64_t rows : {1, 16}) {
        for (const int64_t columns : {4096, 8192}) {
          Add(rows, columns, DType::kBFloat16, format, per_channel, columns == 8192 && format != Format::kInt4);
        }
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace kvant::bench
