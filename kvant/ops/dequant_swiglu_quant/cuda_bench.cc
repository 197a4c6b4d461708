// dequant_swiglu_quant on a device: int32 products of many tokens.
#include <fmt/format.h>

#include <cstring>
#include <random>

#include "kvant/ops/dequant_swiglu_quant/cuda.h"
#include "kvant/testing/cuda_bench.h"

namespace kvant::bench {
namespace {

std::vector<uint8_t> Products() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<int32_t> values(1 << 20);
  for (int32_t& v : values) v = static_cast<int32_t>(normal(random) * 3000);
  std::vector<uint8_t> bytes(values.size() * 4);
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}
std::vector<uint8_t> Scales() {
  const std::vector<float> values(1 << 15, 1e-3f);
  std::vector<uint8_t> bytes(values.size() * 4);
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

void Add(int64_t tokens, int64_t h, Format format) {
  CudaCase c;
  c.name = fmt::format("dequant_swiglu_quant/{}x{}/int32/{}/dynamic", tokens, h, Name(format));
  c.tensors = {{tokens * 2 * h * 4, Products()},
               {2 * h * 4, Scales()},
               {tokens * 4, Scales()},
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
    for (ConstTensorView* t : {&args.x, &args.weight_scale, &args.activation_scale}) t->set_device(Device::kCuda);
    for (TensorView* t : {&args.y, &args.scale}) t->set_device(Device::kCuda);
    return cuda::DequantSwigluQuant(args, exec).ok();
  };
  AddCudaCase(std::move(c));
}

[[maybe_unused]] const bool kAdded = [] {
  for (const Format format : {Format::kInt8, Format::kFloat8E4M3FN}) {
    for (const int64_t h : {1408, 2048, 4096, 8192}) Add((24 << 20) / h, h, format);
    Add(16, 2048, format);
  }
  return true;
}();

}  // namespace
}  // namespace kvant::bench
