// quantize beside a copy of the same bytes, like with like: normal stores with a copy by normal stores, streaming with
// streaming.
#include <fmt/format.h>

#include <random>

#include "kvant/core/visit.h"
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
  Stores stores = Stores::kNormal;
  bool threads = false;
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
  std::normal_distribution<float> normal;
  VisitFloat(c.dtype, [&](auto element) {
    using T = decltype(element);
    T* to = reinterpret_cast<T*>(x.data());
    for (int64_t i = 0; i < elements; ++i) to[i] = FromFloat32<T>(normal(random));
  });
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
  ExecOptions exec;
  if (!c.threads) exec.parallel = &SerialFor();
  exec.stores = c.stores;
  bench::MeasureBesideCopy(
      state, x, y, elements,
      [&] {
        if (!Quantize(args, exec).ok()) state.SkipWithError("quantize failed");
      },
      c.stores == Stores::kStreaming);
}

void Add(const Case& c) {
  const std::string name =
      fmt::format("quantize/{}x{}/{}/{}/{}/{}/{}", c.rows, c.columns, Name(c.dtype), Name(c.format), Name(c.kind),
                  c.stores == Stores::kStreaming ? "streaming" : "normal", c.threads ? "threads" : "1");
  bench::Register(name, [c](benchmark::State& state) { Run(state, c); });
}

const bool registered = [] {
  constexpr int64_t kShapes[][2] = {{1, 4096}, {16, 4096}, {128, 7168}, {4096, 4096}, {65536, 128}};
  constexpr Format kFormats[] = {Format::kInt8, Format::kInt4, Format::kFloat8E4M3FN, Format::kFloat8E5M2,
                                 Format::kHiFloat8};
  for (const auto& [rows, columns] : kShapes) {
    for (const Format format : kFormats) {
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
      Add({rows, columns, DType::kFloat16, Format::kInt8, kind, Stores::kStreaming});
    }
    Add({rows, columns, DType::kFloat16, Format::kInt8, Kind::kPerChannel, Stores::kNormal, true});
  }
  return true;
}();

}  // namespace
}  // namespace kvant
