// quant_scatter_ beside a copy of the same bytes to the same slots.
#include <fmt/format.h>

#include <random>

#include "kvant/ops/quant_scatter/quant_scatter.h"
#include "kvant/testing/scatter_bench_util.h"

namespace kvant {
namespace {

struct Case {
  bench::ScatterShape shape;
  DType dtype;
  Format format;
  bool per_channel;
};

void Run(benchmark::State& state, const Case& c) {
  const int64_t elements = c.shape.heads * c.shape.dim;
  bench::ScatterBench bench(c.shape, elements * ByteSize(c.dtype), elements);
  std::mt19937 random(1);
  bench::FillNormal(c.dtype, c.shape.tokens * elements, &random, bench.tokens().data());
  std::normal_distribution<float> normal;
  std::vector<float> scales(static_cast<size_t>(c.per_channel ? c.shape.dim : 1)), zero_points(scales.size(), 3.0f);
  for (float& s : scales) s = 0.03f + 0.001f * normal(random);
  const auto n = static_cast<int64_t>(scales.size());
  QuantScatterInPlaceArgs args;
  args.self = bench.Cache(StorageType(c.format));
  args.updates = ConstTensorView(bench.tokens().data(), c.dtype, {c.shape.tokens, c.shape.heads, c.shape.dim});
  args.quant_scales = ConstTensorView(scales.data(), DType::kFloat32, {n});
  if (IsInteger(c.format)) args.quant_zero_points = ConstTensorView(zero_points.data(), DType::kFloat32, {n});
  args.dst_type = c.format;
  args.axis = 1;
  args.index_mode = IndexMode::kSlot;
  ExecOptions exec;
  exec.parallel = &SerialFor();
  exec.stores = Stores::kNormal;
  bench.Measure(state, [&](const ConstTensorView& indices) {
    args.indices = indices;
    if (!QuantScatterInPlace(args, exec).ok()) state.SkipWithError("quant_scatter_ failed");
  });
}

void Add(const Case& c) {
  const std::string name =
      fmt::format("quant_scatter/{}x{}x{}/{}/{}/{}/{}", c.shape.tokens, c.shape.heads, c.shape.dim, Name(c.dtype),
                  Name(c.format), c.per_channel ? "perchannel" : "pertensor", Name(c.shape.slots));
  bench::Register(name, [c](benchmark::State& state) { Run(state, c); });
}

const bool registered = [] {
  for (const bench::ScatterShape& shape : bench::kScatterShapes) {
    for (const bool per_channel : {false, true}) {
      for (const Format format : {Format::kInt8, Format::kFloat8E4M3FN, Format::kHiFloat8}) {
        Add({shape, DType::kFloat16, format, per_channel});
      }
      Add({shape, DType::kBFloat16, Format::kInt8, per_channel});
    }
  }
  return true;
}();

}  // namespace
}  // namespace kvant
