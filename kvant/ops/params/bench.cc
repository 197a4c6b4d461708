// params_from_minmax and params_from_amax beside a copy of the same bytes.
#include <fmt/format.h>

#include <cmath>

#include "kvant/ops/params/params.h"
#include "kvant/testing/bench_util.h"

namespace kvant {
namespace {

// Of as many rows, or groups of rows.
struct Case {
  int64_t rows, groups;
  bool amax;
};

void Run(benchmark::State& state, const Case& c) {
  const int64_t n = c.rows * c.groups, arrays = c.amax ? 1 : 2;
  const bench::Memory stats(arrays * n * 4), params(stats.size());
  std::mt19937 random(1);
  bench::FillNormal(DType::kFloat32, arrays * n, &random, stats.data());
  auto* const values = reinterpret_cast<float*>(stats.data());
  for (int64_t i = 0; i < n; ++i) values[i] = c.amax ? std::abs(values[i]) : -std::abs(values[i]);
  for (int64_t i = n; i < arrays * n; ++i) values[i] = std::abs(values[i]);
  const auto array = [&](const bench::Memory& m, int64_t i) {
    return TensorView(m.data() + i * n * 4, DType::kFloat32, {c.rows, c.groups});
  };
  bench::MeasureBesideCopy(state, stats, params, n, {}, [&](const ExecOptions& exec) {
    if (c.amax) return ParamsFromAmax({array(stats, 0), Format::kInt8, 0, array(params, 0)}, exec);
    return ParamsFromMinMax({array(stats, 0), array(stats, 1), Format::kInt8, 0, array(params, 0), array(params, 1)},
                            exec);
  });
}

const bool registered = [] {
  for (const bool amax : {false, true}) {
    for (const int64_t groups : {1, 128}) {
      const Case c = {4096, groups, amax};
      const std::string name =
          fmt::format("{}/{}x{}/int8", amax ? "params_from_amax" : "params_from_minmax", c.rows, c.groups);
      bench::Register(name, [c](benchmark::State& state) { Run(state, c); });
    }
  }
  return true;
}();

}  // namespace
}  // namespace kvant
