// row_minmax and row_amax beside a copy of the same bytes: x is read, a result for each row (column, tensor) written.
#include <fmt/format.h>

#include "kvant/ops/row_stats/row_stats.h"
#include "kvant/testing/bench_util.h"

namespace kvant {
namespace {

struct Case {
  int64_t rows, columns;
  DType dtype;
  bool amax;
  QuantMode mode = QuantMode::kPerToken;
  bench::Way way = {};
};

void Run(benchmark::State& state, const Case& c) {
  const int64_t elements = c.rows * c.columns;
  const bench::Memory x(elements * ByteSize(c.dtype));
  std::mt19937 random(1);
  bench::FillNormal(c.dtype, elements, &random, x.data());
  RowStatsArgs args;
  args.x = ConstTensorView(x.data(), c.dtype, {c.rows, c.columns});
  args.quant_mode = c.mode;
  TensorSpec spec;
  if (const Status status = InferRowStats(args, &spec); !status.ok()) {
    return state.SkipWithError(status.message().c_str());
  }
  const bench::Memory results((c.amax ? 1 : 2) * spec.bytes());
  const auto result = [&](int i) {
    return TensorView(results.data() + i * spec.bytes(), DType::kFloat32, spec.dims());
  };
  if (c.amax) {
    args.amax = result(0);
  } else {
    args.min = result(0);
    args.max = result(1);
  }
  bench::MeasureBesideCopy(state, x, results, elements, c.way, [&](const ExecOptions& exec) {
    return c.amax ? RowAmax(args, exec) : RowMinMax(args, exec);
  });
}

void Add(const Case& c) {
  const std::string name = fmt::format("{}/{}x{}/{}/{}/{}", c.amax ? "row_amax" : "row_minmax", c.rows, c.columns,
                                       Name(c.dtype), Name(c.mode), Name(c.way));
  bench::Register(name, [c](benchmark::State& state) { Run(state, c); });
}

const bool registered = [] {
  for (const bool amax : {false, true}) {
    for (const int64_t rows : {16, 4096}) {
      for (const QuantMode mode : {QuantMode::kPerToken, QuantMode::kPerTensor, QuantMode::kPerChannel}) {
        Add({rows, 4096, DType::kFloat16, amax, mode});
      }
    }
    Add({4096, 4096, DType::kFloat16, amax, QuantMode::kPerToken, {Stores::kNormal, true}});
  }
  return true;
}();

}  // namespace
}  // namespace kvant
