// dequant_swiglu_quant on a device: int32 products of many tokens, and of few.
#include <fmt/format.h>

#include "kvant/ops/dequant_swiglu_quant/cuda.h"
#include "kvant/testing/cuda_bench.h"

namespace kvant::bench {
namespace {

void Add(int64_t tokens, int64_t h, Format format, bool quick) {
  CudaCase c;
  c.name = fmt::format("dequant_swiglu_quant/{}x{}/int32/{}/dynamic", tokens, h, Name(format));
  c.tensors = {{tokens * 2 * h * 4, NormalInt32(3000)},
               {2 * h * 4, Constant(1e-3f)},
               {tokens * 4, Constant(1e-3f)},
               {tokens * h, {}},
               {tokens * 4, {}}};
  c.moved = tokens * (2 * h * 4 + h + 8) + 2 * h * 4;
  c.call = [=](const std::vector<char*>& b, const cuda::Exec& exec) {
    DequantSwigluQuantArgs args;
    args.x = ConstTensorView(b[0], DType::kInt32, {tokens, 2 * h});
    args.weight_scale = ConstTensorView(b[1], DType::kFloat32, {2 * h});
    args.activation_scale = ConstTensorView(b[2], DType::kFloat32, {tokens});
    args.quant_mode = ScaleSource::kDynamic;
    args.dst_type = format;
    args.y = TensorView(b[3], StorageType(format), {tokens, h});
    args.scale = TensorView(b[4], DType::kFloat32, {tokens});
    OnDevice(args.x, args.weight_scale, args.activation_scale, args.y, args.scale);
    return cuda::DequantSwigluQuant(args, exec).ok();
  };
  c.goal = GoalOf(tokens, h, c.moved);
  c.quick = quick;
  AddCudaCase(std::move(c));
}

[[maybe_unused]] const bool kAdded = [] {
  for (const Format format : {Format::kInt8, Format::kFloat8E4M3FN}) {
    for (const int64_t h : {512, 520, 1000, 1408, 2048, 2056, 2560, 4096, 5000, 7168, 8192, 11008, 14344, 16384}) {
      Add((24 << 20) / h, h, format, h == 1000 || h == 1408 || h == 4096 || h == 7168);
    }
    for (const int64_t h : {1408, 4096, 8192}) Add(RowsFor(kGoalBytes, 9 * h + 8), h, format, false);
    for (const int64_t rows : {1, 16}) {
      for (const int64_t h : {1408, 2048, 4096, 8192}) {
        Add(rows, h, format, h == 2048);
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace kvant::bench
