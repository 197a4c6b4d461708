// dequantize on a device: rows with a scale each, or one for each group of elements.
#include <fmt/format.h>

#include "kvant/ops/dequantize/cuda.h"
#include "kvant/testing/cuda_bench.h"

namespace kvant::bench {
namespace {

// group_size 0: the whole row. Integers have offsets, FP8 has none.
void Add(int64_t rows, int64_t columns, DType dtype, Format format, int64_t group_size, bool quick = false) {
  const int64_t code_bytes = columns * Info(format).bits / 8, groups = group_size == 0 ? 1 : columns / group_size;
  const bool offsets = IsInteger(format);
  CudaCase c;
  c.name = fmt::format("dequantize/{}x{}/{}/{}{}{}", rows, columns, Name(dtype), Name(format),
                       offsets ? "" : "/symmetric", group_size == 0 ? "" : fmt::format("/group{}", group_size));
  c.tensors = {{rows * code_bytes, Codes()},
               {rows * groups * 4, Constant(0.01f)},
               {rows * groups * 4, Constant(1.5f)},
               {rows * columns * ByteSize(dtype), {}}};
  c.moved = rows * (code_bytes + groups * (offsets ? 8 : 4) + columns * ByteSize(dtype));
  c.call = [=](const std::vector<char*>& b, const cuda::Exec& exec) {
    const auto table = [&](char* data) {
      return group_size == 0 ? ConstTensorView(data, DType::kFloat32, {rows})
                             : ConstTensorView(data, DType::kFloat32, {rows, groups});
    };
    DequantizeArgs args;
    args.y = ConstTensorView(b[0], StorageType(format), {rows, code_bytes});
    args.scale = table(b[1]);
    if (offsets) args.offset = table(b[2]);
    args.dst_type = format;
    args.group_size = group_size;
    args.x = TensorView(b[3], dtype, {rows, columns});
    OnDevice(args.y, args.scale, args.offset, args.x);
    return cuda::Dequantize(args, exec).ok();
  };
  c.goal = GoalOf(rows, columns, c.moved);
  c.quick = quick;
  AddCudaCase(std::move(c));
}

[[maybe_unused]] const bool kAdded = [] {
  constexpr int64_t kElements = 48 << 20;
  for (const Format format : {Format::kInt8, Format::kInt4, Format::kFloat8E4M3FN}) {
    for (const int64_t columns : kFewRowLengths) {
      const bool quick = columns == 1000 || columns == 4096 || columns == 14344;
      Add(kElements / columns, columns, DType::kBFloat16, format, 0, quick);
    }
    for (const int64_t columns : {1000, 4096}) {
      Add(kElements / columns, columns, DType::kFloat16, format, 0, columns == 4096);
    }
    for (const int64_t rows : {1, 16}) {
      for (const int64_t columns : {4096, 8192}) {
        Add(rows, columns, DType::kBFloat16, format, 0, columns == 8192 && format == Format::kInt8);
      }
    }
    if (!IsInteger(format)) continue;
    for (const int64_t columns : {512, 4096, 7168, 11008, 16384}) {
      Add(kElements / columns, columns, DType::kBFloat16, format, 128, columns == 4096 || columns == 512);
    }
    Add(kElements / 4096, 4096, DType::kBFloat16, format, 32);
    Add(kElements / 4096, 4096, DType::kFloat16, format, 128);
  }
  return true;
}();

}  // namespace
}  // namespace kvant::bench
