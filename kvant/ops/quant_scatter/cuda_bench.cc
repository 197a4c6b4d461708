// quant_scatter_ on a device: tokens into a paged cache with given scales.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "kvant/ops/quant_scatter/cuda.h"
#include "kvant/testing/cuda_bench.h"

namespace kvant::bench {
namespace {

void Add(int64_t tokens, int64_t heads, int64_t dim, Format format, bool per_channel) {
  constexpr int64_t kPage = 16;
  const int64_t pages = std::max<int64_t>(2 * tokens / kPage, 64), parameters = per_channel ? dim : 1;
  const int64_t x = tokens * heads * dim * 2;
  std::vector<int64_t> slots(static_cast<size_t>(pages * kPage));
  for (size_t i = 0; i < slots.size(); ++i) slots[i] = static_cast<int64_t>(i);
  std::shuffle(slots.begin(), slots.end(), std::mt19937(1));
  std::vector<uint8_t> index(static_cast<size_t>(tokens) * 8);
  std::memcpy(index.data(), slots.data(), index.size());
  const float scale = 0.03f;
  std::vector<uint8_t> scales(4);
  std::memcpy(scales.data(), &scale, 4);
  CudaCase c;
  c.name = fmt::format("quant_scatter_/{}x{}x{}/bfloat16/{}{}", tokens, heads, dim, Name(format),
                       per_channel ? "/per_channel" : "");
  c.tensors = {
      {x, NormalBytes(2, true)}, {pages * kPage * heads * dim, {}}, {parameters * 4, scales}, {tokens * 8, index}};
  c.moved = x + x / 2 + tokens * 8;
  c.call = [=](const std::vector<char*>& b, const cuda::Exec& exec) {
    QuantScatterInPlaceArgs args;
    args.updates = ConstTensorView(b[0], DType::kBFloat16, {tokens, heads, dim});
    args.self = TensorView(b[1], StorageType(format), {pages, kPage, heads, dim});
    args.quant_scales = ConstTensorView(b[2], DType::kFloat32, {parameters});
    args.indices = ConstTensorView(b[3], DType::kInt64, {tokens});
    args.dst_type = format;
    args.axis = 1;
    args.index_mode = IndexMode::kSlot;
    for (ConstTensorView* t : {&args.updates, &args.quant_scales, &args.indices}) t->set_device(Device::kCuda);
    args.self.set_device(Device::kCuda);
    return cuda::QuantScatterInPlace(args, exec).ok();
  };
  AddCudaCase(std::move(c));
}

[[maybe_unused]] const bool kAdded = [] {
  for (const Format format : {Format::kInt8, Format::kFloat8E4M3FN}) {
    for (const bool per_channel : {false, true}) {
      for (const int64_t tokens : {1, 1024, 65536}) Add(tokens, 8, 128, format, per_channel);
    }
  }
  return true;
}();

}  // namespace
}  // namespace kvant::bench
