#include <fmt/format.h>

#include "kvant/core/target.h"
#include "kvant/ops/dequantize/dequantize.h"
#include "kvant/testing/bench_util.h"

namespace kvant {
namespace {

constexpr struct {
  int64_t rows, columns;
} kShapes[] = {{1, 4096}, {16, 4096}, {128, 7168}, {4096, 4096}, {65536, 128}};

// pertoken with offset; the copy runs on one thread, so several threads can exceed it.
void Measure(benchmark::State& state, Format format, DType result, int64_t rows, int64_t columns, QuantMode mode,
             const ParallelFor* parallel) {
  const int64_t packed = format == Format::kInt4 ? columns / 2 : columns;
  const bench::Memory codes(rows * packed), x(rows * columns * ByteSize(result));
  for (int64_t i = 0; i < codes.size(); ++i) codes.data()[i] = static_cast<char>(i * 37 % 111);
  const int64_t params = mode == QuantMode::kPerChannel ? columns : rows;
  const std::vector<float> scale(params, 0.01f), offset(params, 1.5f);
  DequantizeArgs args;
  args.y = {codes.data(), StorageType(format), {rows, packed}};
  args.scale = {scale.data(), DType::kFloat32, {params}};
  args.offset = {offset.data(), DType::kFloat32, {params}};
  args.dst_type = format;
  args.quant_mode = mode;
  args.x = {x.data(), result, {rows, columns}};
  ExecOptions exec;
  exec.parallel = parallel;
  bench::MeasureBesideCopy(state, codes, x, rows * columns, [&] {
    if (!Dequantize(args, exec).ok()) state.SkipWithError("dequantize failed");
  });
}

void Register(Format format, DType result, int64_t rows, int64_t columns, QuantMode mode, bool threads) {
  const std::string name = fmt::format("dequantize/{}/{}/{}/{}x{}/{}", Name(format), Name(result), Name(mode), rows,
                                       columns, threads ? "threads" : "1");
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    Measure(state, format, result, rows, columns, mode, threads ? nullptr : &SerialFor());
  })->UseManualTime();
}

const bool registered = [] {
  constexpr Format kFormats[] = {Format::kInt8, Format::kInt4, Format::kFloat8E4M3FN, Format::kFloat8E5M2,
                                 Format::kHiFloat8};
  for (const auto& s : kShapes) {
    for (const Format format : kFormats) {
      Register(format, DType::kFloat16, s.rows, s.columns, QuantMode::kPerToken, false);
    }
    for (const Format format : {Format::kInt8, Format::kInt4}) {
      Register(format, DType::kBFloat16, s.rows, s.columns, QuantMode::kPerToken, false);
      Register(format, DType::kFloat32, s.rows, s.columns, QuantMode::kPerToken, false);
      Register(format, DType::kFloat16, s.rows, s.columns, QuantMode::kPerChannel, false);
    }
    Register(Format::kInt8, DType::kFloat16, s.rows, s.columns, QuantMode::kPerToken, true);
  }
  return true;
}();

}  // namespace
}  // namespace kvant
