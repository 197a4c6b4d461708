#include "cli/cmd_demo.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "cli/demo_cache.h"
#include "cli/demo_moe.h"
#include "cli/error_bound.h"
#include "cli/error_stats.h"
#include "cli/io/message.h"
#include "cli/quant_case.h"
#include "cli/tensor_set.h"
#include "kvant/core/target.h"
#include "kvant/core/version.h"

namespace kvant::cli {
namespace {

using nlohmann::ordered_json;

constexpr const char* kFiles[] = {"minilm_fp16.safetensors", "minilm_bf16.safetensors"};
constexpr int64_t kGroupSize = 32;
// For each line; 76 lines of the sample data take two seconds.
constexpr double kSecondsPerLine = 0.02;

struct Variant {
  Format format;
  int64_t group_size = 0;
};
constexpr Variant kVariants[] = {{Format::kInt8},         {Format::kInt4},       {Format::kInt4, kGroupSize},
                                 {Format::kFloat8E4M3FN}, {Format::kFloat8E5M2}, {Format::kHiFloat8}};

struct TensorLine {
  std::string tensor;
  DType dtype = DType::kFloat16;
  std::vector<int64_t> shape;
  Variant variant;
  int64_t before = 0, after = 0, elements = 0;
  double sqnr = 0, error_in_scales = 0;
  Timing timing;
  std::string fault;  // what a check found, empty when it passed
};

// Compares the results, made on the target in use, with those of every other target of this machine.
Status CheckTargets(const QuantCase& quant, const ExecOptions& exec, std::string* fault) {
  Target active;
  KVANT_RETURN_IF_ERROR(ActiveTarget(&active));
  QuantCase other;
  KVANT_RETURN_IF_ERROR(QuantCase::Make(quant.args(), &other));
  Status status;
  for (const Target target : SupportedTargets()) {
    if (!status.ok() || target == active) continue;
    std::memset(const_cast<char*>(other.results()), 0xA5, static_cast<size_t>(other.bytes_after()));
    status = SetTarget(Name(target));
    if (status.ok()) status = other.Run(exec);
    if (status.ok() && std::memcmp(quant.results(), other.results(), static_cast<size_t>(quant.bytes_after())) != 0) {
      *fault = fmt::format("target {} gives other bytes than {}", Name(target), Name(active));
    }
  }
  KVANT_RETURN_IF_ERROR(SetTarget(Name(active)));
  return status;
}

Status RunVariant(const LoadedTensor& x, const ParallelFor& parallel, TensorLine* line) {
  DynamicQuantArgs args;
  args.x = x.view;
  args.dst_type = line->variant.format;
  args.group_size = line->variant.group_size;
  args.symmetric = !IsInteger(args.dst_type);
  QuantCase quant;
  KVANT_RETURN_IF_ERROR(QuantCase::Make(args, &quant));
  ExecOptions exec;
  exec.parallel = &parallel;
  KVANT_RETURN_IF_ERROR(
      MeasureBesideCopy([&] { return quant.Run(exec); }, quant.traffic(), parallel, kSecondsPerLine, &line->timing));
  KVANT_RETURN_IF_ERROR(CheckTargets(quant, exec, &line->fault));

  const int64_t n = args.x.elements();
  Buffer restored(n * 4);
  KVANT_RETURN_IF_ERROR(quant.Restore(exec, restored.floats()));
  ErrorBound bound;
  KVANT_RETURN_IF_ERROR(ErrorBound::Make(quant.args(), &bound));
  const int64_t per_scale = n / std::max<int64_t>(quant.args().scale.elements(), 1);
  ErrorStats stats;
  for (int64_t i = 0; i < n; ++i) {
    const double original = ElementOf(args.x, i), back = restored.floats()[i];
    const double scale = quant.scale()[i / per_scale], offset = quant.offset() ? quant.offset()[i / per_scale] : 0;
    stats.Add(&original, &back, 1);
    if (original == back) continue;  // a row of zeros has scale 0
    const double error = std::fabs(original - back) / scale;
    line->error_in_scales = std::max(line->error_in_scales, error);
    if (line->fault.empty() && !(error <= bound.InScales(original / scale, offset))) {
      line->fault = fmt::format("element {}: {} came back as {}, scale {}", i, original, back, scale);
    }
  }
  line->sqnr = stats.Sqnr();
  line->before = quant.bytes_before();
  line->after = quant.bytes_after();
  line->elements = n;
  return {};
}

Status RunFile(const std::string& path, const ParallelFor& parallel, std::vector<TensorLine>* lines) {
  std::unique_ptr<TensorFile> file;
  KVANT_RETURN_IF_ERROR(TensorFile::Open(path, &file));
  std::vector<std::string> names;
  for (const TensorEntry& entry : file->entries()) names.push_back(entry.name);
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    LoadedTensor x;
    KVANT_RETURN_IF_ERROR(LoadTensor(*file, name, &x));
    for (const Variant& variant : kVariants) {
      // A group as long as the row is the row.
      if (variant.group_size != 0 && (x.view.shape(-1) <= kGroupSize || x.view.shape(-1) % kGroupSize != 0)) continue;
      TensorLine& line = lines->emplace_back();
      line.tensor = name;
      line.dtype = x.view.dtype();
      line.shape.assign(x.view.shape().begin(), x.view.shape().end());
      line.variant = variant;
      if (const Status status = RunVariant(x, parallel, &line); !status.ok()) {
        return Status(status.code(), TensorError(file->name(), name, "{}", status.message()).message());
      }
    }
  }
  return {};
}

std::string Targets() {
  std::string names;
  for (const Target target : SupportedTargets()) names += fmt::format("{}{}", names.empty() ? "" : ", ", Name(target));
  return names;
}

// How a program is named so that a shell runs the same one.
std::string Quoted(const std::string& word) {
  const char* const kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+=:,@";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

void PrintTable(const DemoOptions& options, Target active, const std::vector<TensorLine>& lines) {
  Print(fmt::format(
      "Activations of a transformer, a scale a row (g32: for 32 elements); integers asymmetric, floats symmetric.\n"
      "After: codes, scales and offsets. Largest error: in units of scale. Of copy: the share of the speed of a copy\n"
      "that reads and writes the same bytes, timed in turns with kvant; in cache, as here, copies are at their "
      "fastest.\n"
      "Target {}, {}.\n\n",
      Name(active), Count(options.threads, "thread")));
  Table table({"<tensor, format", "bytes before", "after", "B/element", "SQNR dB", "largest error", "time us", "GB/s",
               "of copy"});
  const TensorLine* last = nullptr;
  for (const TensorLine& line : lines) {
    if (last == nullptr || last->tensor != line.tensor || last->dtype != line.dtype) {
      table.AddText(fmt::format("{} {} {}", line.tensor, Name(line.dtype), ShapeText(line.shape)));
    }
    last = &line;
    const double gigabytes = static_cast<double>(line.before + line.after) / line.timing.seconds / 1e9;
    table.Add({"  " + ShortName(line.variant.format, line.variant.group_size), Grouped(line.before),
               Grouped(line.after),
               fmt::format("{:.3f}", static_cast<double>(line.after) / static_cast<double>(line.elements)),
               fmt::format("{:.1f}", line.sqnr), fmt::format("{:.3f}", line.error_in_scales),
               fmt::format("{:.1f}", line.timing.seconds * 1e6), fmt::format("{:.1f}", gigabytes),
               fmt::format("{:.0f} %", 100 * line.timing.of_copy)});
  }
  Print(table.Text());
}

void PrintNextSteps(const DemoOptions& options) {
  const std::string program = Quoted(options.program);
  const auto in = Quoted((std::filesystem::path(options.data) / kFiles[0]).string());
  const auto temporary = [](const char* name) {
    return Quoted((std::filesystem::temp_directory_path() / name).string());
  };
  const std::string codes = temporary("minilm_int4.safetensors"), back = temporary("minilm_back.safetensors");
  Print(
      fmt::format("\nHow to go on:\n"
                  "  {0} quantize {1} -o {2} --dst int4 --group-size 32\n"
                  "  {0} compare {1} {2}\n"
                  "  {0} dequantize {2} -o {3}\n",
                  program, in, codes, back));
}

void PrintAsJson(const DemoOptions& options, Target active, const std::vector<TensorLine>& lines,
                 const std::vector<CacheLine>& caches, const MoeReport& moe) {
  ordered_json all = ordered_json::array();
  for (const TensorLine& line : lines) {
    all.push_back({{"tensor", line.tensor},
                   {"dtype", Name(line.dtype)},
                   {"shape", line.shape},
                   {"dst_type", Name(line.variant.format)},
                   {"group_size", line.variant.group_size},
                   {"bytes_before", line.before},
                   {"bytes_after", line.after},
                   {"sqnr_db", line.sqnr},
                   {"largest_error_in_scales", line.error_in_scales},
                   {"seconds", line.timing.seconds},
                   {"bytes_per_second", static_cast<double>(line.before + line.after) / line.timing.seconds},
                   {"of_copy", line.timing.of_copy},
                   {"checked", line.fault.empty()}});
  }
  ordered_json cache_lines = ordered_json::array();
  for (const CacheLine& line : caches) {
    cache_lines.push_back({{"layer", line.layer},
                           {"cache", line.kind},
                           {"bytes_before", line.before},
                           {"bytes_after", line.after},
                           {"sqnr_db", line.sqnr},
                           {"attention_cosine", line.cosine},
                           {"attention_relative_error", line.relative_error},
                           {"microseconds_per_token", line.microseconds}});
  }
  const ordered_json experts = {{"tokens", moe.tokens},
                                {"counts", moe.counts},
                                {"relative_error", moe.relative_error},
                                {"cosine", moe.cosine},
                                {"relative_error_apart", moe.relative_error_apart},
                                {"codes", moe.codes},
                                {"codes_that_differ_apart", moe.codes_apart},
                                {"microseconds",
                                 {{"up", moe.up},
                                  {"fused", moe.fused},
                                  {"dequantize", moe.dequantize},
                                  {"swiglu", moe.swiglu},
                                  {"quantize", moe.quantize},
                                  {"down", moe.down}}}};
  ordered_json targets = ordered_json::array();
  for (const Target target : SupportedTargets()) targets.push_back(Name(target));
  PrintJson({{"version", KVANT_VERSION_STRING},
             {"target", Name(active)},
             {"targets", targets},
             {"threads", options.threads},
             {"results", all},
             {"caches", cache_lines},
             {"experts", experts}});
}

}  // namespace

Status RunDemo(const DemoOptions& options) {
  Target active;
  KVANT_RETURN_IF_ERROR(ActiveTarget(&active));
  const ParallelFor parallel = Threads(options.threads);
  std::vector<TensorLine> lines;
  for (const char* const name : kFiles) {
    KVANT_RETURN_IF_ERROR(RunFile((std::filesystem::path(options.data) / name).string(), parallel, &lines));
  }
  ExecOptions exec;
  exec.parallel = &parallel;
  std::vector<CacheLine> caches;
  KVANT_RETURN_IF_ERROR(RunCacheDemo((std::filesystem::path(options.data) / kFiles[0]).string(), exec, &caches));
  MoeReport moe;
  KVANT_RETURN_IF_ERROR(RunMoeDemo((std::filesystem::path(options.data) / kFiles[0]).string(),
                                   (std::filesystem::path(options.data) / "smooth.safetensors").string(), exec, &moe));
  options.json ? PrintAsJson(options, active, lines, caches, moe) : PrintTable(options, active, lines);
  for (const TensorLine& line : lines) {
    if (line.fault.empty()) continue;
    throw std::runtime_error(fmt::format("{} {} to {}: {}", line.tensor, Name(line.dtype),
                                         ShortName(line.variant.format, line.variant.group_size), line.fault));
  }
  if (options.json) return {};
  Print(fmt::format(
      "\nChecked, all {} lines: every value comes back within the error bound of its format, and the targets\n"
      "of this machine ({}) give the same bytes.\n",
      lines.size(), Targets()));
  Print(CacheTable(caches));
  Print(MoeText(moe));
  PrintNextSteps(options);
  return {};
}

}  // namespace kvant::cli
