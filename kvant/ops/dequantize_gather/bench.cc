// dequantize_gather beside a copy of as many bytes from the same slots.
#include <fmt/format.h>

#include <algorithm>

#include "kvant/ops/dequantize_gather/dequantize_gather.h"
#include "kvant/testing/scatter_bench_util.h"

namespace kvant {
namespace {

struct Case {
  bench::ScatterShape shape;
  DType dtype;
  Format format;
  int64_t group_size;
};

void Run(benchmark::State& state, const Case& c) {
  const int64_t tokens = c.shape.tokens, heads = c.shape.heads, dim = c.shape.dim, last = dim * Info(c.format).bits / 8;
  bench::ScatterBench bench(c.shape, heads * dim * ByteSize(c.dtype), heads * last);
  const TensorView cache = bench.Cache(StorageType(c.format));
  const int64_t pages = cache.shape(0), positions = cache.shape(1);
  const int64_t groups = c.group_size == 0 ? 1 : dim / c.group_size;
  const bench::Memory scale(pages * positions * heads * groups * 4), offset(scale.size());
  // Ordinary numbers: of FP8 the codes around 1. Results that are subnormal take many times as long.
  auto* codes = static_cast<uint8_t*>(cache.data());
  for (int64_t i = 0; i < pages * positions * heads * last; ++i)
    codes[i] = static_cast<uint8_t>(0x30 | (i * 37 & 0x8F));
  std::fill_n(reinterpret_cast<float*>(scale.data()), scale.size() / 4, 0.01f);
  std::fill_n(reinterpret_cast<float*>(offset.data()), offset.size() / 4, 3.0f);
  const auto table = [&](const bench::Memory& m) {
    return c.group_size == 0 ? TensorView(m.data(), DType::kFloat32, {pages, positions, heads})
                             : TensorView(m.data(), DType::kFloat32, {pages, positions, heads, groups});
  };
  DequantizeGatherArgs args;
  args.var = TensorView(cache.data(), cache.dtype(), {pages, positions, heads, last});
  args.var_scale = table(scale);
  args.var_offset = table(offset);
  args.dst_type = c.format;
  args.group_size = c.group_size;
  args.axis = 1;
  args.index_mode = IndexMode::kSlot;
  args.x = TensorView(bench.tokens().data(), c.dtype, {tokens, heads, dim});
  ExecOptions exec;
  exec.parallel = &SerialFor();
  bench.MeasureReading(state, [&](const ConstTensorView& indices) {
    args.indices = indices;
    if (!DequantizeGather(args, exec).ok()) state.SkipWithError("dequantize_gather failed");
  });
}

void Add(const Case& c) {
  const std::string name = fmt::format("dequantize_gather/{}x{}x{}/{}/{}/{}/group{}", c.shape.tokens, c.shape.heads,
                                       c.shape.dim, Name(c.dtype), Name(c.format), Name(c.shape.slots), c.group_size);
  bench::Register(name, [c](benchmark::State& state) { Run(state, c); });
}

const bool registered = [] {
  for (const bench::ScatterShape& shape : bench::kScatterShapes) {
    for (const Format format : {Format::kInt8, Format::kInt4}) {
      for (const DType dtype : {DType::kFloat16, DType::kBFloat16}) Add({shape, dtype, format, 0});
    }
    Add({shape, DType::kFloat16, Format::kInt4, 32});
    Add({shape, DType::kFloat16, Format::kFloat8E4M3FN, 0});
  }
  return true;
}();

}  // namespace
}  // namespace kvant
