// quantize beside a copy of the same bytes.
#include <fmt/format.h>

#include <random>

#include "kvant/ops/quantize/quantize.h"
#include "kvant/testing/bench_util.h"

namespace kvant {
namespace {

enum class Kind { kPerTensor, kPerChannel, kPerRow, kReciprocal };

struct Case {
  int64_t rows, columns;
  DType dtype;
  Format format;
  Kind kind;
  bench::Way way = {};
};

std::string_view Name(Kind kind) {
  switch (kind) {
    case Kind::kPerTensor:
      return "pertensor";
    case Kind::kPerChannel:
      return "axis=-1";
    case Kind::kPerRow:
      return "axis=0";
    case Kind::kReciprocal:
      return "reciprocal/axis=-1";
  }
  return "";
}

void Run(benchmark::State& state, const Case& c) {
  const int64_t elements = c.rows * c.columns;
  const bench::Memory x(elements * ByteSize(c.dtype)), y(elements * Info(c.format).bits / 8);
  std::mt19937 random(1);
  bench::FillNormal(c.dtype, elements, &random, x.data());
  std::normal_distribution<float> normal;
  const int64_t n = c.kind == Kind::kPerTensor ? 1 : c.kind == Kind::kPerRow ? c.rows : c.columns;
  std::vector<float> scales(static_cast<size_t>(n)), zero_points(static_cast<size_t>(n), 3.0f);
  for (float& s : scales) s = c.kind == Kind::kReciprocal ? 30 + normal(random) : 0.03f + 0.001f * normal(random);
  QuantizeArgs args;
  args.x = ConstTensorView(x.data(), c.dtype, {c.rows, c.columns});
  args.quant_scales = ConstTensorView(scales.data(), DType::kFloat32, {n});
  if (IsInteger(c.format)) args.quant_zero_points = ConstTensorView(zero_points.data(), DType::kFloat32, {n});
  args.dst_type = c.format;
  args.axis = c.kind == Kind::kPerRow ? 0 : -1;
  args.reciprocal_scale = c.kind == Kind::kReciprocal;
  args.y = TensorView(y.data(), StorageType(c.format), {c.rows, c.columns * Info(c.format).bits / 8});
  bench::MeasureBesideCopy(state, x, y, elements, c.way, [&](const ExecOptions& exec) { return Quantize(args, exec); });
}

void Add(const Case& c) {
  const std::string name = fmt::format("quantize/{}x{}/{}/{}/{}/{}", c.rows, c.columns, Name(c.dtype), Name(c.format),
                                       Name(c.kind), Name(c.way));
  bench::Register(name, [c](benchmark::State& state) { Run(state, c); });
}

const bool registered = [] {
  for (const auto& [rows, columns] : bench::kMatrixShapes) {
    for (const Format format : bench::kFormats) {
      for (const Kind kind : {Kind::kPerTensor, Kind::kPerChannel}) {
        Add({rows, columns, DType::kFloat16, format, kind});
      }
    }
    for (const DType dtype : {DType::kBFloat16, DType::kFloat32}) {
      Add({rows, columns, dtype, Format::kInt8, Kind::kPerTensor});
      Add({rows, columns, dtype, Format::kInt8, Kind::kPerChannel});
    }
    for (const Kind kind : {Kind::kPerRow, Kind::kReciprocal})
      Add({rows, columns, DType::kFloat16, Format::kInt8, kind});
    if (rows * columns < (1 << 20)) continue;
    for (const Kind kind : {Kind::kPerTensor, Kind::kPerChannel}) {
      Add({rows, columns, DType::kFloat16, Format::kInt8, kind, {Stores::kStreaming}});
    }
    Add({rows, columns, DType::kFloat16, Format::kInt8, Kind::kPerChannel, {Stores::kNormal, true}});
  }
  return true;
}();

}  // namespace
}  // namespace kvant
