#include "cli/cmd_inspect.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/io/message.h"
#include "cli/values.h"

namespace kvant::cli {
namespace {

using nlohmann::ordered_json;

struct OutlierRow {
  int64_t row = 0;  // counted over all leading dimensions
  double amax = 0, times_median = 0;
};

struct Facts {
  const TensorEntry* entry = nullptr;
  int64_t bytes = 0;  // with scale and offset
  bool measured = false;
  int64_t finite = 0, nan = 0, inf = 0;
  double min = std::numeric_limits<double>::infinity(), max = -min;
  std::optional<double> median_row_amax;  // of two rows or more
  std::vector<OutlierRow> outliers;       // the largest first
};

constexpr size_t kOutliersInJson = 100;

void Look(const double* x, int64_t n, Facts* facts, float* amax) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  int64_t finite = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) {
      ++(std::isnan(x[i]) ? facts->nan : facts->inf);
      continue;
    }
    ++finite;
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
  if (finite == 0) return;
  facts->finite += finite;
  facts->min = std::min(facts->min, low);
  facts->max = std::max(facts->max, high);
  *amax = std::max(*amax, static_cast<float>(std::max(std::fabs(low), std::fabs(high))));
}

void FindOutliers(const std::vector<float>& amax, double factor, Facts* facts) {
  if (amax.empty()) return;
  std::vector<float> sorted = amax;
  const auto middle = sorted.begin() + static_cast<int64_t>(sorted.size()) / 2;
  std::nth_element(sorted.begin(), middle, sorted.end());
  const double median = *middle;
  facts->median_row_amax = median;
  for (size_t r = 0; r < amax.size(); ++r) {
    if (amax[r] > factor * median) facts->outliers.push_back({static_cast<int64_t>(r), amax[r], amax[r] / median});
  }
  std::stable_sort(facts->outliers.begin(), facts->outliers.end(),
                   [](const OutlierRow& a, const OutlierRow& b) { return a.amax > b.amax; });
}

Status Measure(const InspectOptions& options, const TensorSet& input, const Streaming& how, Facts* facts) {
  TensorValues values(input, *facts->entry, how.exec);
  if (!values.readable()) return {};
  const Box& whole = values.whole();
  // One float a row is kept, twice for the median; everything else is bounded by the block.
  const int64_t rows = whole.elements() > 0 ? whole.batches() * whole.rows() : 0;
  std::vector<float> amax(static_cast<size_t>(rows), 0.0f);
  const int64_t max_elements = std::max<int64_t>(how.block_bytes / 8, 2);
  Buffer buffer;
  KVANT_RETURN_IF_ERROR(ForEachPiece(whole, values.unit(), max_elements, [&](const Box& box) {
    auto* const x = reinterpret_cast<double*>(buffer.Resize(box.elements() * 8));
    KVANT_RETURN_IF_ERROR(values.Read(box, x));
    const int64_t first = box.first[0] * whole.rows() + box.first[1];
    for (int64_t r = 0; r < box.batches() * box.rows(); ++r) {
      Look(x + r * box.columns(), box.columns(), facts, &amax[static_cast<size_t>(first + r)]);
    }
    if (how.progress != nullptr) how.progress->Advance(values.Bytes(box));
    return Status();
  }));
  facts->measured = true;
  if (amax.size() > 1) FindOutliers(amax, options.outlier_factor, facts);
  return {};
}

std::string NumberText(const Facts& facts, double value) {
  if (!facts.measured || facts.finite == 0) return "-";
  return value == std::floor(value) && std::fabs(value) < 1e15 ? Grouped(static_cast<int64_t>(value)) : Short(value);
}

std::string OutlierText(const Facts& facts) {
  if (!facts.measured || facts.outliers.empty()) return facts.measured ? "0" : "-";
  const OutlierRow& worst = facts.outliers[0];
  // Where half of the rows are zeros, a multiple of the median says nothing.
  return fmt::format("{} (row {}: {})", Grouped(static_cast<int64_t>(facts.outliers.size())), worst.row,
                     *facts.median_row_amax > 0 ? Short(worst.times_median) + "x" : "amax " + Short(worst.amax));
}

void PrintTable(const InspectOptions& options, const TensorSet& input, const std::vector<Facts>& all) {
  const auto bytes = static_cast<double>(input.file_bytes());
  Print(fmt::format("{}: {}, {}\n", Printable(options.input), Count(static_cast<int64_t>(all.size()), "tensor"),
                    BytesText(bytes)));
  for (const auto& [key, value] : input.file().metadata()) {
    if (!key.starts_with(kQuantInfoPrefix)) Print(fmt::format("metadata {}: {}\n", Printable(key), Printable(value)));
  }
  if (all.empty()) return;
  std::vector<std::string> headings = {"<tensor", "<type", "<shape", "bytes"};
  if (!options.header_only) headings.insert(headings.end(), {"min", "max", "NaN", "inf", "outlier rows"});
  Table table(headings);
  for (const Facts& facts : all) {
    std::vector<std::string> cells = {Printable(facts.entry->name), TypeText(input, *facts.entry),
                                      ShapeText(input.ShapeOf(*facts.entry)), Grouped(facts.bytes)};
    if (!options.header_only) {
      cells.insert(cells.end(), {NumberText(facts, facts.min), NumberText(facts, facts.max),
                                 facts.measured ? Grouped(facts.nan) : "-", facts.measured ? Grouped(facts.inf) : "-",
                                 OutlierText(facts)});
    }
    table.Add(std::move(cells));
  }
  Print(table.Text());
  for (const Facts& facts : all) {
    const std::string smooth = input.SmoothOf(facts.entry->name);
    if (!smooth.empty()) Print(fmt::format("{} {}\n", Printable(facts.entry->name), SmoothNote(smooth)));
  }
}

void PrintAsJson(const InspectOptions& options, const TensorSet& input, const std::vector<Facts>& all) {
  ordered_json tensors = ordered_json::array();
  for (const Facts& facts : all) {
    ordered_json one = {{"name", facts.entry->name},
                        {"stored_as", Name(facts.entry->type)},
                        {"shape", input.ShapeOf(*facts.entry)},
                        {"bytes", facts.bytes}};
    if (const QuantizedTensor* const quantized = input.FindQuantized(facts.entry->name)) {
      one["quantized"] = ordered_json::parse(FormatQuantInfo(quantized->info));
    }
    if (facts.measured) {
      one["min"] = facts.finite > 0 ? ordered_json(facts.min) : ordered_json();
      one["max"] = facts.finite > 0 ? ordered_json(facts.max) : ordered_json();
      one["nan"] = facts.nan;
      one["inf"] = facts.inf;
      one["median_row_amax"] = facts.median_row_amax ? ordered_json(*facts.median_row_amax) : ordered_json();
      one["outlier_row_count"] = facts.outliers.size();
      ordered_json rows = ordered_json::array();
      for (size_t i = 0; i < std::min(facts.outliers.size(), kOutliersInJson); ++i) {
        const OutlierRow& outlier = facts.outliers[i];
        rows.push_back({{"row", outlier.row}, {"amax", outlier.amax}, {"times_median", outlier.times_median}});
      }
      one["outlier_rows"] = std::move(rows);
    }
    tensors.push_back(std::move(one));
  }
  ordered_json metadata = ordered_json::object();
  for (const auto& [key, value] : input.file().metadata()) {
    if (!key.starts_with(kQuantInfoPrefix)) metadata[key] = value;
  }
  PrintJson(
      {{"file", options.input}, {"file_bytes", input.file_bytes()}, {"metadata", metadata}, {"tensors", tensors}});
}

}  // namespace

Status RunInspect(const InspectOptions& options) {
  std::unique_ptr<TensorSet> input;
  KVANT_RETURN_IF_ERROR(TensorSet::Open(options.input, &input));
  KVANT_RETURN_IF_ERROR(CheckSelection(options.selection, *input));
  std::vector<Facts> all;
  int64_t bytes = 0;
  for (const TensorEntry& entry : input->file().entries()) {
    if (!Selects(options.selection, entry.name) || input->IsParam(entry.name)) continue;
    Facts facts;
    facts.entry = &entry;
    facts.bytes = entry.bytes;
    if (const QuantizedTensor* const quantized = input->FindQuantized(entry.name)) {
      facts.bytes += quantized->scale.entry->bytes;
      if (quantized->offset.entry != nullptr) facts.bytes += quantized->offset.entry->bytes;
    }
    if (TensorValues(*input, entry, {}).readable()) bytes += entry.bytes;
    all.push_back(std::move(facts));
  }
  if (!options.header_only) {
    Progress progress("inspect", bytes);
    const ParallelFor parallel = Threads(options.threads);
    Streaming how;
    how.block_bytes = options.block_bytes;
    how.exec.parallel = &parallel;
    how.progress = &progress;
    for (Facts& facts : all) KVANT_RETURN_IF_ERROR(Measure(options, *input, how, &facts));
  }
  std::sort(all.begin(), all.end(), [](const Facts& a, const Facts& b) { return a.entry->name < b.entry->name; });
  options.json ? PrintAsJson(options, *input, all) : PrintTable(options, *input, all);
  return {};
}

}  // namespace kvant::cli
