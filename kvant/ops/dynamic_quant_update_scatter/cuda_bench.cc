// dynamic_quant_update_scatter_ on a device: tokens into a paged cache.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "kvant/ops/dynamic_quant_update_scatter/cuda.h"
#include "kvant/testing/cuda_bench.h"

namespace kvant::bench {
namespace {

void Add(int64_t tokens, int64_t heads, int64_t dim, Format format) {
  constexpr int64_t kPage = 16;
  const int64_t pages = std::max<int64_t>(2 * tokens / kPage, 64), code_dim = dim * Info(format).bits / 8;
  const int64_t x = tokens * heads * dim * 2, written = tokens * heads * (code_dim + 8);
  std::vector<int64_t> slots(static_cast<size_t>(pages * kPage));
  for (size_t i = 0; i < slots.size(); ++i) slots[i] = static_cast<int64_t>(i);
  std::shuffle(slots.begin(), slots.end(), std::mt19937(1));
  std::vector<uint8_t> index(static_cast<size_t>(tokens) * 8);
  std::memcpy(index.data(), slots.data(), index.size());
  CudaCase c;
  c.name = fmt::format("dynamic_quant_update_scatter_/{}x{}x{}/bfloat16/{}", tokens, heads, dim, Name(format));
  c.tensors = {{x, NormalBytes(2, true)},
               {pages * kPage * heads * code_dim, {}},
               {pages * kPage * heads * 4, {}},
               {pages * kPage * heads * 4, {}},
               {tokens * 8, index}};
  c.moved = x + written + tokens * 8;
  c.call = [=](const std::vector<char*>& b, const cuda::Exec& exec) {
    DynamicQuantUpdateScatterArgs args;
    args.updates = ConstTensorView(b[0], DType::kBFloat16, {tokens, heads, dim});
    args.var = TensorView(b[1], StorageType(format), {pages, kPage, heads, code_dim});
    args.var_scale = TensorView(b[2], DType::kFloat32, {pages, kPage, heads});
    args.var_offset = TensorView(b[3], DType::kFloat32, {pages, kPage, heads});
    args.indices = ConstTensorView(b[4], DType::kInt64, {tokens});
    args.dst_type = format;
    args.axis = 1;
    args.index_mode = IndexMode::kSlot;
    for (ConstTensorView* t : {&args.updates, &args.indices}) t->set_device(Device::kCuda);
    for (TensorView* t : {&args.var, &args.var_scale, &args.var_offset}) t->set_device(Device::kCuda);
    return cuda::DynamicQuantUpdateScatter(args, exec).ok();
  };
  AddCudaCase(std::move(c));
}

[[maybe_unused]] const bool kAdded = [] {
  for (const Format format : {Format::kInt8, Format::kInt4}) {
    for (const int64_t tokens : {1, 64, 1024, 65536}) Add(tokens, 8, 128, format);
  }
  return true;
}();

}  // namespace
}  // namespace kvant::bench
