// dynamic_quant on a device: many rows of every usual length, and the few rows of decoding.
#include <fmt/format.h>

#include <algorithm>

#include "kvant/ops/dynamic_quant/cuda.h"
#include "kvant/testing/cuda_bench.h"

namespace kvant::bench {
namespace {

void Add(int64_t rows, int64_t columns, DType dtype, Format format, bool symmetric) {
  const int64_t elements = rows * columns, codes = elements * Info(format).bits / 8, x = elements * ByteSize(dtype);
  CudaCase c;
  c.name = fmt::format("dynamic_quant/{}x{}/{}/{}{}", rows, columns, Name(dtype), Name(format),
                       symmetric ? "/symmetric" : "");
  c.tensors = {{x, NormalBytes(static_cast<int>(ByteSize(dtype)), dtype == DType::kBFloat16)},
               {codes, {}},
               {rows * 4, {}},
               {rows * 4, {}}};
  c.moved = x + codes + rows * (symmetric ? 4 : 8);
  c.call = [=](const std::vector<char*>& b, const cuda::Exec& exec) {
    DynamicQuantArgs args;
    args.x = ConstTensorView(b[0], dtype, {rows, columns});
    args.dst_type = format;
    args.symmetric = symmetric;
    args.y = TensorView(b[1], StorageType(format), {rows, columns * Info(format).bits / 8});
    args.scale = TensorView(b[2], DType::kFloat32, {rows});
    if (!symmetric) args.offset = TensorView(b[3], DType::kFloat32, {rows});
    args.x.set_device(Device::kCuda);
    for (TensorView* t : {&args.y, &args.scale, &args.offset}) t->set_device(Device::kCuda);
    return cuda::DynamicQuant(args, exec).ok();
  };
  AddCudaCase(std::move(c));
}

[[maybe_unused]] const bool kAdded = [] {
  constexpr int64_t kElements = 48 << 20;  // 144 MB of fp16 to int8
  for (const int64_t columns : {128, 512, 1024, 1536, 2048, 3584, 4096, 5120, 7168, 8192, 11008, 14336, 16384, 65536}) {
    Add(kElements / columns, columns, DType::kBFloat16, Format::kInt8, false);
  }
  for (const Format format : {Format::kInt8, Format::kInt4, Format::kFloat8E4M3FN, Format::kHiFloat8}) {
    for (const bool symmetric : {true, false}) {
      for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat32}) {
        Add(kElements / 4096, 4096, dtype, format, symmetric);
      }
    }
  }
  for (const int64_t rows : {1, 4, 16, 64}) {
    for (const int64_t columns : {1024, 4096, 8192, 16384}) Add(rows, columns, DType::kBFloat16, Format::kInt8, false);
  }
  Add(1, 1 << 20, DType::kBFloat16, Format::kInt8, false);
  return true;
}();

}  // namespace
}  // namespace kvant::bench
