// quant_scatter_ on a device: tokens into a paged cache with given scales.
#include <fmt/format.h>

#include "kvant/ops/quant_scatter/cuda.h"
#include "kvant/testing/cuda_bench.h"

namespace kvant::bench {
namespace {

void Add(int64_t tokens, Format format, bool per_channel, bool quick) {
  const int64_t pages = PagesFor(tokens), token = kHeads * kHeadDim, scales = per_channel ? kHeadDim : 1;
  CudaCase c;
  c.name = fmt::format("quant_scatter_/{}x{}x{}/bfloat16/{}{}", tokens, kHeads, kHeadDim, Name(format),
                       per_channel ? "/per_channel" : "");
  c.tensors = {{tokens * token * 2, Normal(DType::kBFloat16)},
               {pages * kPage * token, {}},
               {scales * 4, Constant(0.03f)},
               {tokens * 8, RandomSlots(tokens)}};
  c.moved = tokens * (token * 3 + 8) + scales * 4;
  c.call = [=](const std::vector<char*>& b, const cuda::Exec& exec) {
    QuantScatterInPlaceArgs args;
    args.updates = ConstTensorView(b[0], DType::kBFloat16, {tokens, kHeads, kHeadDim});
    args.self = TensorView(b[1], StorageType(format), {pages, kPage, kHeads, kHeadDim});
    args.quant_scales = ConstTensorView(b[2], DType::kFloat32, {scales});
    args.indices = ConstTensorView(b[3], DType::kInt64, {tokens});
    args.dst_type = format;
    args.axis = 1;
    args.index_mode = IndexMode::kSlot;
    OnDevice(args.updates, args.self, args.quant_scales, args.indices);
    return cuda::QuantScatterInPlace(args, exec).ok();
  };
  c.goal = GoalOf(tokens, token, c.moved);
  c.quick = quick;
  AddCudaCase(std::move(c));
}

[[maybe_unused]] const bool kAdded = [] {
  for (const Format format : {Format::kInt8, Format::kFloat8E4M3FN}) {
    for (const bool per_channel : {false, true}) {
      for (const int64_t tokens : kTokens) {
        const bool quick = tokens == 65536 || (tokens == 1 && format == Format::kInt8);
        Add(tokens, format, per_channel, quick);
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace kvant::bench
