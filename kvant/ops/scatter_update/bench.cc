// scatter_update_ beside a copy of the same bytes to the same slots.
#include <fmt/format.h>

#include "kvant/ops/scatter_update/scatter_update.h"
#include "kvant/testing/scatter_bench_util.h"

namespace kvant {
namespace {

void Run(benchmark::State& state, const bench::ScatterShape& shape, DType dtype) {
  const int64_t bytes = shape.heads * shape.dim * ByteSize(dtype);
  bench::ScatterBench bench(shape, bytes, bytes);
  ScatterUpdateInPlaceArgs args;
  args.self = bench.Cache(dtype);
  args.updates = ConstTensorView(bench.tokens().data(), dtype, {shape.tokens, shape.heads, shape.dim});
  args.axis = 1;
  args.index_mode = IndexMode::kSlot;
  ExecOptions exec;
  exec.parallel = &SerialFor();
  bench.Measure(state, [&](const ConstTensorView& indices) {
    args.indices = indices;
    if (!ScatterUpdateInPlace(args, exec).ok()) state.SkipWithError("scatter_update_ failed");
  });
}

const bool registered = [] {
  for (const DType dtype : {DType::kInt8, DType::kFloat16}) {
    for (const bench::ScatterShape& shape : bench::kScatterShapes) {
      const std::string name = fmt::format("scatter_update/{}x{}x{}/{}/{}", shape.tokens, shape.heads, shape.dim,
                                           Name(dtype), Name(shape.slots));
      bench::Register(name, [=](benchmark::State& state) { Run(state, shape, dtype); });
    }
  }
  return true;
}();

}  // namespace
}  // namespace kvant
