// quantize_with_params beside a copy of the same bytes: x, scales and offsets are read, codes written.
#include <fmt/format.h>

#include <algorithm>

#include "kvant/ops/quantize_with_params/quantize_with_params.h"
#include "kvant/testing/bench_util.h"

namespace kvant {
namespace {

struct Case {
  int64_t rows, columns;
  DType dtype;
  Format format;
  bool symmetric;
  int64_t group_size = 0;
  bench::Way way = {};
};

void Run(benchmark::State& state, const Case& c) {
  const int64_t elements = c.rows * c.columns, x_bytes = elements * ByteSize(c.dtype);
  const int64_t groups = c.group_size == 0 ? 1 : c.columns / c.group_size, params = c.rows * groups;
  const bench::Memory from(x_bytes + (c.symmetric ? 1 : 2) * params * 4), y(CodeBytes(c.format, elements));
  std::mt19937 random(1);
  bench::FillNormal(c.dtype, elements, &random, from.data());
  auto* const scale = reinterpret_cast<float*>(from.data() + x_bytes);
  std::fill_n(scale, params, 0.03f);
  const auto table = [&](const float* values) {
    return c.group_size == 0 ? ConstTensorView(values, DType::kFloat32, {c.rows})
                             : ConstTensorView(values, DType::kFloat32, {c.rows, groups});
  };
  QuantizeWithParamsArgs args;
  args.x = ConstTensorView(from.data(), c.dtype, {c.rows, c.columns});
  args.scale = table(scale);
  if (!c.symmetric) {
    std::fill_n(scale + params, params, 3.0f);
    args.offset = table(scale + params);
  }
  args.dst_type = c.format;
  args.group_size = c.group_size;
  args.y = TensorView(y.data(), StorageType(c.format), {c.rows, CodeBytes(c.format, c.columns)});
  bench::MeasureBesideCopy(state, from, y, elements, c.way,
                           [&](const ExecOptions& exec) { return QuantizeWithParams(args, exec); });
}

void Add(const Case& c) {
  std::string name = fmt::format("quantize_with_params/{}x{}/{}/{}/{}/{}", c.rows, c.columns, Name(c.dtype),
                                 Name(c.format), c.symmetric ? "symmetric" : "asymmetric", Name(c.way));
  if (c.group_size != 0) name += fmt::format("/group{}", c.group_size);
  bench::Register(name, [c](benchmark::State& state) { Run(state, c); });
}

const bool registered = [] {
  for (const int64_t rows : {16, 4096}) {
    for (const Format format : bench::kFormats) Add({rows, 4096, DType::kFloat16, format, !IsInteger(format)});
    Add({rows, 4096, DType::kFloat16, Format::kInt8, true});
    Add({rows, 4096, DType::kFloat16, Format::kInt4, false, 32});
  }
  Add({4096, 4096, DType::kFloat16, Format::kInt8, false, 0, {Stores::kNormal, true}});
  return true;
}();

}  // namespace
}  // namespace kvant
