#include "cli/cmd_bench.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/quant_case.h"
#include "cli/quant_info.h"
#include "kvant/core/target.h"
#include "kvant/core/version.h"

namespace kvant::cli {
namespace {

using nlohmann::ordered_json;

struct Cell {
  BenchOptions::Shape shape;
  Format format;
  bool symmetric = false;
  int64_t bytes = 0;
  Timing timing;
};

Status Measure(const BenchOptions& options, const ParallelFor& parallel, const char* x, Cell* cell) {
  DynamicQuantArgs args;
  args.x = ConstTensorView(x, options.dtype, {cell->shape.rows, cell->shape.columns});
  args.dst_type = cell->format;
  args.symmetric = cell->symmetric;
  args.quant_mode = options.mode;
  args.group_size = options.group_size;
  QuantCase quant;
  KVANT_RETURN_IF_ERROR(QuantCase::Make(args, &quant));
  cell->bytes = quant.bytes_before() + quant.bytes_after();
  ExecOptions exec;
  exec.parallel = &parallel;
  return MeasureBesideCopy([&] { return quant.Run(exec); }, quant.traffic(), parallel, options.seconds, &cell->timing);
}

std::vector<Format> Formats(const BenchOptions& options) {
  if (!options.formats.empty()) return options.formats;
  if (options.group_size != 0) return {Format::kInt8, Format::kInt4};
  return {Format::kInt8, Format::kInt4, Format::kFloat8E4M3FN, Format::kHiFloat8};
}

double GigaElements(const Cell& cell) {
  return static_cast<double>(cell.shape.rows * cell.shape.columns) / cell.timing.seconds / 1e9;
}
double GigaBytes(const Cell& cell) { return static_cast<double>(cell.bytes) / cell.timing.seconds / 1e9; }

}  // namespace

bool ParseBenchShape(std::string_view text, BenchOptions::Shape* shape) {
  int used = 0;
  const std::string copy(text);
  long long rows = 0, columns = 0;
  if (std::sscanf(copy.c_str(), "%9lldx%9lld%n", &rows, &columns, &used) != 2) return false;
  *shape = {rows, columns};
  return used == static_cast<int>(copy.size()) && rows > 0 && columns > 0;
}

Status RunBench(const BenchOptions& options) {
  Target target;
  KVANT_RETURN_IF_ERROR(ActiveTarget(&target));
  const ParallelFor parallel = Threads(options.threads);
  std::vector<Cell> cells;
  for (const BenchOptions::Shape& shape : options.shapes) {
    Buffer x(shape.rows * shape.columns * ByteSize(options.dtype));
    FillActivations(options.dtype, shape.rows * shape.columns, x.data());
    for (const Format format : Formats(options)) {
      Cell& cell = cells.emplace_back();
      cell.shape = shape;
      cell.format = format;
      cell.symmetric = options.symmetric.value_or(!IsInteger(format));
      KVANT_RETURN_IF_ERROR(Measure(options, parallel, x.data(), &cell));
    }
  }

  if (options.json) {
    ordered_json lines = ordered_json::array();
    for (const Cell& cell : cells) {
      lines.push_back({{"rows", cell.shape.rows},
                       {"columns", cell.shape.columns},
                       {"dst_type", Name(cell.format)},
                       {"symmetric", cell.symmetric},
                       {"seconds", cell.timing.seconds},
                       {"elements_per_second", 1e9 * GigaElements(cell)},
                       {"bytes_per_second", 1e9 * GigaBytes(cell)},
                       {"of_copy", cell.timing.of_copy},
                       {"of_streaming_copy", cell.timing.of_streaming_copy}});
    }
    PrintJson({{"operator", "dynamic_quant"},
               {"version", KVANT_VERSION_STRING},
               {"target", Name(target)},
               {"threads", options.threads},
               {"dtype", Name(options.dtype)},
               {"quant_mode", Name(options.mode)},
               {"group_size", options.group_size},
               {"results", lines}});
    return {};
  }
  Print(fmt::format("dynamic_quant of {}, {}; target {}, {}\n", Name(options.dtype),
                    Describe(options.mode, options.group_size), Name(target), Count(options.threads, "thread")));
  Table table({"<shape", "<format", "<kind", "time us", "Gel/s", "GB/s", "of copy", "of streaming copy"});
  for (const Cell& cell : cells) {
    table.Add({fmt::format("{}x{}", cell.shape.rows, cell.shape.columns), std::string(Name(cell.format)),
               cell.symmetric ? "symmetric" : "asymmetric", Short(cell.timing.seconds * 1e6), Short(GigaElements(cell)),
               Short(GigaBytes(cell)), fmt::format("{:.0f} %", 100 * cell.timing.of_copy),
               fmt::format("{:.0f} %", 100 * cell.timing.of_streaming_copy)});
  }
  Print(table.Text());
  return {};
}

}  // namespace kvant::cli
