// dequantize_gather on a device: tokens read back from random slots of a paged cache.
#include <fmt/format.h>

#include "kvant/ops/dequantize_gather/cuda.h"
#include "kvant/testing/cuda_bench.h"

namespace kvant::bench {
namespace {

// group_size 0: the whole row. Integers have offsets, FP8 has none.
void Add(int64_t tokens, DType dtype, Format format, int64_t group_size, bool quick) {
  const int64_t pages = PagesFor(tokens), slots = pages * kPage, code_dim = kHeadDim * Info(format).bits / 8;
  const int64_t groups = group_size == 0 ? 1 : kHeadDim / group_size, x = kHeads * kHeadDim * ByteSize(dtype);
  const bool offsets = IsInteger(format);
  CudaCase c;
  c.name = fmt::format("dequantize_gather/{}x{}x{}/{}/{}{}{}", tokens, kHeads, kHeadDim, Name(dtype), Name(format),
                       offsets ? "" : "/symmetric", group_size == 0 ? "" : fmt::format("/group{}", group_size));
  c.tensors = {{slots * kHeads * code_dim, Codes()},
               {slots * kHeads * groups * 4, Constant(0.01f)},
               {slots * kHeads * groups * 4, Constant(1.5f)},
               {tokens * 8, RandomSlots(tokens)},
               {tokens * x, {}}};
  c.moved = tokens * (kHeads * (code_dim + groups * (offsets ? 8 : 4)) + 8 + x);
  c.call = [=](const std::vector<char*>& b, const cuda::Exec& exec) {
    const auto table = [&](char* data) {
      return group_size == 0 ? TensorView(data, DType::kFloat32, {pages, kPage, kHeads})
                             : TensorView(data, DType::kFloat32, {pages, kPage, kHeads, groups});
    };
    DequantizeGatherArgs args;
    args.var = TensorView(b[0], StorageType(format), {pages, kPage, kHeads, code_dim});
    args.var_scale = table(b[1]);
    if (offsets) args.var_offset = table(b[2]);
    args.indices = ConstTensorView(b[3], DType::kInt64, {tokens});
    args.dst_type = format;
    args.group_size = group_size;
    args.axis = 1;
    args.index_mode = IndexMode::kSlot;
    args.x = TensorView(b[4], dtype, {tokens, kHeads, kHeadDim});
    OnDevice(args.var, args.var_scale, args.var_offset, args.indices, args.x);
    return cuda::DequantizeGather(args, exec).ok();
  };
  c.goal = GoalOf(tokens, kHeads * kHeadDim, c.moved);
  c.quick = quick;
  AddCudaCase(std::move(c));
}

[[maybe_unused]] const bool kAdded = [] {
  for (const Format format : {Format::kInt8, Format::kInt4, Format::kFloat8E4M3FN}) {
    for (const int64_t tokens : kTokens) {
      const bool quick = tokens == 65536 || tokens == 1;
      Add(tokens, DType::kBFloat16, format, 0, quick);
    }
    Add(65536, DType::kFloat16, format, 0, false);
    if (IsInteger(format)) Add(65536, DType::kBFloat16, format, 32, false);
  }
  return true;
}();

}  // namespace
}  // namespace kvant::bench
