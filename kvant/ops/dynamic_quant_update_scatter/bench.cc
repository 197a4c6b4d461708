// dynamic_quant_update_scatter_ beside a copy of the same bytes (codes, scales, offsets) to the same slots, and beside
// dynamic_quant of the same rows, written densely.
#include <fmt/format.h>

#include <random>

#include "kvant/ops/dynamic_quant/dynamic_quant.h"
#include "kvant/ops/dynamic_quant_update_scatter/dynamic_quant_update_scatter.h"
#include "kvant/testing/scatter_bench_util.h"

namespace kvant {
namespace {

struct Case {
  bench::ScatterShape shape;
  DType dtype, table;
  Format format;
  int64_t group_size;
  bool beside_dense;
  int threads;  // 0: the default pool
};

void Run(benchmark::State& state, const Case& c) {
  const int64_t tokens = c.shape.tokens, heads = c.shape.heads, dim = c.shape.dim;
  const int64_t elements = heads * dim, codes = elements * Info(c.format).bits / 8;
  bench::ScatterBench bench(c.shape, elements * ByteSize(c.dtype), codes);
  std::mt19937 random(1);
  bench::FillNormal(c.dtype, tokens * elements, &random, bench.tokens().data());
  DynamicQuantUpdateScatterArgs args;
  const TensorView cache = bench.Cache(StorageType(c.format));
  const int64_t groups = c.group_size == 0 ? 1 : dim / c.group_size, last = dim * Info(c.format).bits / 8;
  const int64_t pages = cache.shape(0), positions = cache.shape(1);
  const bench::Memory scale(pages * positions * heads * groups * ByteSize(c.table)), offset(scale.size());
  args.var = TensorView(cache.data(), cache.dtype(), {pages, positions, heads, last});
  const auto table = [&](const bench::Memory& m) {
    return c.group_size == 0 ? TensorView(m.data(), c.table, {pages, positions, heads})
                             : TensorView(m.data(), c.table, {pages, positions, heads, groups});
  };
  args.var_scale = table(scale);
  args.var_offset = table(offset);
  args.updates = ConstTensorView(bench.tokens().data(), c.dtype, {tokens, heads, dim});
  args.dst_type = c.format;
  args.group_size = c.group_size;
  args.axis = 1;
  args.index_mode = IndexMode::kSlot;
  ExecOptions exec;
  if (c.threads == 1) exec.parallel = &SerialFor();
  const auto fused = [&](const ConstTensorView& indices) {
    args.indices = indices;
    if (!DynamicQuantUpdateScatter(args, exec).ok()) state.SkipWithError("dynamic_quant_update_scatter_ failed");
  };
  if (!c.beside_dense) {
    return bench.Measure(state, fused, {scale.data(), offset.data()}, heads * groups * ByteSize(c.table));
  }

  const bench::Memory y(tokens * codes), dense_scale(tokens * heads * groups * 4), dense_offset(dense_scale.size());
  DynamicQuantArgs dense;
  dense.x = args.updates;
  dense.dst_type = c.format;
  dense.group_size = c.group_size;
  dense.y = TensorView(y.data(), StorageType(c.format), {tokens, heads, last});
  const auto params = [&](const bench::Memory& m) {
    return c.group_size == 0 ? TensorView(m.data(), DType::kFloat32, {tokens, heads})
                             : TensorView(m.data(), DType::kFloat32, {tokens, heads, groups});
  };
  dense.scale = params(dense_scale);
  dense.offset = params(dense_offset);
  bench.MeasureBesideOther(state, fused, [&] {
    if (!DynamicQuant(dense, exec).ok()) state.SkipWithError("dynamic_quant failed");
  });
}

void Add(const Case& c) {
  const std::string name =
      fmt::format("dynamic_quant_update_scatter/{}x{}x{}/{}/{}/{}/{}/group{}/{}/{}", c.shape.tokens, c.shape.heads,
                  c.shape.dim, Name(c.dtype), Name(c.format), Name(c.shape.slots), Name(c.table), c.group_size,
                  c.beside_dense ? "beside_dense" : "beside_copy", c.threads == 1 ? "1" : "threads");
  bench::Register(name, [c](benchmark::State& state) { Run(state, c); });
}

const bool registered = [] {
  for (const bench::ScatterShape& shape : bench::kScatterShapes) {
    for (const Format format : {Format::kInt4, Format::kInt8}) {
      for (const bool dense : {false, true}) Add({shape, DType::kFloat16, DType::kFloat32, format, 0, dense, 1});
      Add({shape, DType::kBFloat16, DType::kFloat32, format, 0, false, 1});
      Add({shape, DType::kFloat16, DType::kFloat32, format, 0, false, 0});
    }
    for (const int64_t group : {32, 64, 128}) {
      Add({shape, DType::kFloat16, DType::kFloat32, Format::kInt4, group, false, 1});
    }
    Add({shape, DType::kFloat16, DType::kFloat16, Format::kInt4, 32, false, 1});
  }
  return true;
}();

}  // namespace
}  // namespace kvant
