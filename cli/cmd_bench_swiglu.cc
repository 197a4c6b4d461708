#include "cli/cmd_bench_swiglu.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/bench_util.h"
#include "cli/buffer.h"
#include "cli/quant_info.h"
#include "kvant/core/target.h"
#include "kvant/core/version.h"

namespace kvant::cli {
namespace {

using nlohmann::ordered_json;

struct SwigluBenchLine {
  BenchOptions::Shape shape;
  DType dtype;
  Timing timing;

  // Results.
  double GigaElements() const {
    const int64_t results = shape.rows * (shape.columns / 2);
    return static_cast<double>(results) / timing.seconds / 1e9;
  }
};

// x as a matrix product leaves it, and experts of about as many rows each. Gates have a deviation of about 2.
class SwigluBench {
 public:
  SwigluBench(const SwigluBenchOptions& options, const BenchOptions::Shape& shape, DType dtype)
      : x_(shape.rows * shape.columns * ByteSize(dtype)),
        y_(shape.rows * (shape.columns / 2)),
        scale_(shape.rows * 4),
        weight_(static_cast<size_t>(options.groups * shape.columns), 2e-5f),
        activation_(static_cast<size_t>(shape.rows), 1.0f),
        quant_(static_cast<size_t>(options.groups * (shape.columns / 2)), options.fixed_scales ? 0.1f : 1.0f),
        counts_(static_cast<size_t>(options.groups), shape.rows / options.groups) {
    const int64_t n = shape.rows * shape.columns;
    if (dtype == DType::kInt32) {
      Buffer numbers(n * 4);
      FillActivations(DType::kFloat32, n, numbers.data());
      const auto* from = reinterpret_cast<const float*>(numbers.data());
      std::transform(from, from + n, reinterpret_cast<int32_t*>(x_.data()),
                     [](float v) { return static_cast<int32_t>(std::clamp(v * 1e5f, -1e9f, 1e9f)); });
      args_.weight_scale = ConstTensorView(weight_.data(), DType::kFloat32, {options.groups, shape.columns});
      args_.activation_scale = ConstTensorView(activation_.data(), DType::kFloat32, {shape.rows});
    } else {
      FillActivations(dtype, n, x_.data());
    }
    counts_.back() += shape.rows % options.groups;
    args_.x = ConstTensorView(x_.data(), dtype, {shape.rows, shape.columns});
    args_.quant_scale = ConstTensorView(quant_.data(), DType::kFloat32, {options.groups, shape.columns / 2});
    if (options.groups > 1) args_.group_index = ConstTensorView(counts_.data(), DType::kInt64, {options.groups});
    args_.activate_left = true;
    args_.quant_mode = options.fixed_scales ? ScaleSource::kStatic : ScaleSource::kDynamic;
    args_.dst_type = options.format;
    args_.swiglu_mode = options.mode;
    args_.y = TensorView(y_.data(), StorageType(options.format), {shape.rows, shape.columns / 2});
    args_.scale = TensorView(scale_.data(), DType::kFloat32, {shape.rows});
  }

  Status Measure(const SwigluBenchOptions& options, const ParallelFor& parallel, Timing* timing) {
    ExecOptions exec;
    exec.parallel = &parallel;
    const Traffic traffic{x_.data(), args_.x.elements() * ByteSize(args_.x.dtype()), y_.data(), args_.y.elements()};
    return MeasureBesideCopy([&] { return DequantSwigluQuant(args_, exec); }, traffic, parallel, options.seconds,
                             timing);
  }

 private:
  Buffer x_, y_, scale_;
  std::vector<float> weight_, activation_, quant_;
  std::vector<int64_t> counts_;
  DequantSwigluQuantArgs args_;
};

std::string ShapeName(const BenchOptions::Shape& s) { return fmt::format("{}x{}", s.rows, s.columns); }

void PrintLines(const SwigluBenchOptions& options, Target target, const std::vector<SwigluBenchLine>& lines) {
  const int mode = static_cast<int>(options.mode);
  const std::string_view scales = options.fixed_scales ? "static" : "dynamic";
  if (options.json) {
    ordered_json results = ordered_json::array();
    for (const SwigluBenchLine& line : lines) {
      results.push_back({{"rows", line.shape.rows},
                         {"columns", line.shape.columns},
                         {"dtype", Name(line.dtype)},
                         {"seconds", line.timing.seconds},
                         {"results_per_second", 1e9 * line.GigaElements()},
                         {"of_copy", line.timing.of_copy},
                         {"of_streaming_copy", line.timing.of_streaming_copy}});
    }
    PrintJson({{"operator", "dequant_swiglu_quant"},
               {"version", KVANT_VERSION_STRING},
               {"target", Name(target)},
               {"threads", options.threads},
               {"dst_type", Name(options.format)},
               {"quant_mode", scales},
               {"swiglu_mode", mode},
               {"groups", options.groups},
               {"results", results}});
    return;
  }
  Print(fmt::format("dequant_swiglu_quant to {}, {}, mode {}, {}; target {}, {}\n", Name(options.format), scales, mode,
                    Count(options.groups, "group"), Name(target), Count(options.threads, "thread")));
  Table table({"<x", "<dtype", "time us", "results, 10^9/s", "of copy", "of streaming copy"});
  for (const SwigluBenchLine& line : lines) {
    table.Add({ShapeName(line.shape), std::string(Name(line.dtype)), Short(line.timing.seconds * 1e6),
               Short(line.GigaElements()), fmt::format("{:.0f} %", 100 * line.timing.of_copy),
               fmt::format("{:.0f} %", 100 * line.timing.of_streaming_copy)});
  }
  Print(table.Text());
}

}  // namespace

bool ParseSwigluType(std::string_view text, DType* dtype) {
  if (text != Name(DType::kInt32)) return ParseFloatType(text, dtype);
  *dtype = DType::kInt32;
  return true;
}

Status RunSwigluBench(const SwigluBenchOptions& options) {
  Target target;
  KVANT_RETURN_IF_ERROR(ActiveTarget(&target));
  const ParallelFor parallel = Threads(options.threads);
  std::vector<SwigluBenchLine> lines;
  for (const BenchOptions::Shape& shape : options.shapes) {
    for (const DType dtype : options.dtypes) {
      SwigluBenchLine& line = lines.emplace_back(SwigluBenchLine{shape, dtype, {}});
      SwigluBench bench(options, shape, dtype);
      KVANT_RETURN_IF_ERROR(bench.Measure(options, parallel, &line.timing));
    }
  }
  PrintLines(options, target, lines);
  return {};
}

}  // namespace kvant::cli
