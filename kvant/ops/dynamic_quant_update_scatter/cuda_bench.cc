// dynamic_quant_update_scatter_ on a device: tokens into a paged cache.
#include <fmt/format.h>

#include "kvant/ops/dynamic_quant_update_scatter/cuda.h"
#include "kvant/testing/cuda_bench.h"

namespace kvant::bench {
namespace {

void Add(int64_t tokens, Format format, bool symmetric, bool quick) {
  const int64_t pages = PagesFor(tokens), rows = pages * kPage * kHeads, code_dim = kHeadDim * Info(format).bits / 8;
  CudaCase c;
  c.name = fmt::format("dynamic_quant_update_scatter_/{}x{}x{}/bfloat16/{}{}", tokens, kHeads, kHeadDim, Name(format),
                       symmetric ? "/symmetric" : "");
  c.tensors = {{tokens * kHeads * kHeadDim * 2, Normal(DType::kBFloat16)},
               {rows * code_dim, {}},
               {rows * 4, {}},
               {rows * 4, {}},
               {tokens * 8, RandomSlots(tokens)}};
  c.moved = tokens * (kHeads * (kHeadDim * 2 + code_dim + (symmetric ? 4 : 8)) + 8);
  c.call = [=](const std::vector<char*>& b, const cuda::Exec& exec) {
    DynamicQuantUpdateScatterArgs args;
    args.updates = ConstTensorView(b[0], DType::kBFloat16, {tokens, kHeads, kHeadDim});
    args.var = TensorView(b[1], StorageType(format), {pages, kPage, kHeads, code_dim});
    args.var_scale = TensorView(b[2], DType::kFloat32, {pages, kPage, kHeads});
    if (!symmetric) args.var_offset = TensorView(b[3], DType::kFloat32, {pages, kPage, kHeads});
    args.indices = ConstTensorView(b[4], DType::kInt64, {tokens});
    args.dst_type = format;
    args.symmetric = symmetric;
    args.axis = 1;
    args.index_mode = IndexMode::kSlot;
    OnDevice(args.updates, args.indices, args.var, args.var_scale, args.var_offset);
    return cuda::DynamicQuantUpdateScatter(args, exec).ok();
  };
  c.goal = GoalOf(tokens, kHeads * kHeadDim, c.moved);
  c.quick = quick;
  AddCudaCase(std::move(c));
}

[[maybe_unused]] const bool kAdded = [] {
  for (const Format format : {Format::kInt8, Format::kInt4}) {
    for (const bool symmetric : {false, true}) {
      for (const int64_t tokens : kTokens) {
        const bool quick = (tokens == 65536 && !symmetric) || (tokens == 1 && format == Format::kInt8 && !symmetric);
        Add(tokens, format, symmetric, quick);
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace kvant::bench
