// dequantize beside a copy of the same bytes.
#include <fmt/format.h>

#include "kvant/ops/dequantize/dequantize.h"
#include "kvant/testing/bench_util.h"

namespace kvant {
namespace {

struct Case {
  int64_t rows, columns;
  Format format;
  DType result;
  QuantMode mode = QuantMode::kPerToken;
  bench::Way way = {};
};

// With offset.
void Run(benchmark::State& state, const Case& c) {
  const int64_t elements = c.rows * c.columns;
  const bench::Memory codes(elements * Info(c.format).bits / 8), x(elements * ByteSize(c.result));
  for (int64_t i = 0; i < codes.size(); ++i) codes.data()[i] = static_cast<char>(i * 37 % 127);
  const int64_t n = c.mode == QuantMode::kPerChannel ? c.columns : c.rows;
  const std::vector<float> scale(static_cast<size_t>(n), 0.01f), offset(static_cast<size_t>(n), 1.5f);
  DequantizeArgs args;
  args.y = ConstTensorView(codes.data(), StorageType(c.format), {c.rows, c.columns * Info(c.format).bits / 8});
  args.scale = ConstTensorView(scale.data(), DType::kFloat32, {n});
  args.offset = ConstTensorView(offset.data(), DType::kFloat32, {n});
  args.dst_type = c.format;
  args.quant_mode = c.mode;
  args.x = TensorView(x.data(), c.result, {c.rows, c.columns});
  bench::MeasureBesideCopy(state, codes, x, elements, c.way,
                           [&](const ExecOptions& exec) { return Dequantize(args, exec); });
}

void Add(const Case& c) {
  const std::string name = fmt::format("dequantize/{}x{}/{}/{}/{}/{}", c.rows, c.columns, Name(c.format),
                                       Name(c.result), Name(c.mode), Name(c.way));
  bench::Register(name, [c](benchmark::State& state) { Run(state, c); });
}

const bool registered = [] {
  for (const auto& [rows, columns] : bench::kMatrixShapes) {
    for (const Format format : bench::kFormats) {
      for (const DType result : {DType::kFloat16, DType::kBFloat16, DType::kFloat32}) {
        Add({rows, columns, format, result});
      }
      Add({rows, columns, format, DType::kFloat16, QuantMode::kPerChannel});
    }
    if (rows * columns < (1 << 20)) continue;
    for (const Format format : {Format::kInt8, Format::kInt4}) {
      Add({rows, columns, format, DType::kFloat16, QuantMode::kPerToken, {Stores::kStreaming}});
      Add({rows, columns, format, DType::kFloat32, QuantMode::kPerToken, {Stores::kStreaming}});
      Add({rows, columns, format, DType::kFloat16, QuantMode::kPerChannel, {Stores::kStreaming}});
    }
    Add({rows, columns, Format::kInt8, DType::kFloat16, QuantMode::kPerToken, {Stores::kNormal, true}});
  }
  return true;
}();

}  // namespace
}  // namespace kvant
