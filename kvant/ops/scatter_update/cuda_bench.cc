// scatter_update_ on a device: tokens into a paged cache.
#include <fmt/format.h>

#include "kvant/ops/scatter_update/cuda.h"
#include "kvant/testing/cuda_bench.h"

namespace kvant::bench {
namespace {

void Add(int64_t tokens, DType dtype, bool quick) {
  const int64_t pages = PagesFor(tokens), token = kHeads * kHeadDim * ByteSize(dtype);
  CudaCase c;
  c.name = fmt::format("scatter_update_/{}x{}x{}/{}", tokens, kHeads, kHeadDim, Name(dtype));
  c.tensors = {{tokens * token, {}}, {pages * kPage * token, {}}, {tokens * 8, RandomSlots(tokens)}};
  c.moved = tokens * (2 * token + 8);
  c.call = [=](const std::vector<char*>& b, const cuda::Exec& exec) {
    ScatterUpdateInPlaceArgs args;
    args.updates = ConstTensorView(b[0], dtype, {tokens, kHeads, kHeadDim});
    args.self = TensorView(b[1], dtype, {pages, kPage, kHeads, kHeadDim});
    args.indices = ConstTensorView(b[2], DType::kInt64, {tokens});
    args.axis = 1;
    args.index_mode = IndexMode::kSlot;
    OnDevice(args.updates, args.self, args.indices);
    return cuda::ScatterUpdateInPlace(args, exec).ok();
  };
  c.goal = GoalOf(tokens, kHeads * kHeadDim, c.moved);
  c.quick = quick;
  AddCudaCase(std::move(c));
}

[[maybe_unused]] const bool kAdded = [] {
  for (const DType dtype : {DType::kBFloat16, DType::kInt8}) {
    for (const int64_t tokens : kTokens) {
      Add(tokens, dtype, tokens == 65536 || (tokens == 1 && dtype == DType::kInt8));
    }
  }
  return true;
}();

}  // namespace
}  // namespace kvant::bench
