#include "cli/cmd_compare.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "cli/error_stats.h"
#include "cli/io/message.h"
#include "cli/values.h"

namespace kvant::cli {
namespace {

using nlohmann::ordered_json;

struct Pair {
  const TensorEntry* a = nullptr;
  const TensorEntry* b = nullptr;
  bool comparable = true;  // types that hold numbers
  ErrorStats stats;
};

struct Pairing {
  std::vector<Pair> pairs;
  std::vector<std::string> only_a, only_b;
};

// Tensors that are not scales or offsets of others.
std::vector<const TensorEntry*> Subjects(const CompareOptions& options, const TensorSet& set) {
  std::vector<const TensorEntry*> subjects;
  for (const TensorEntry& entry : set.file().entries()) {
    if (Selects(options.selection, entry.name) && !set.IsParam(entry.name)) subjects.push_back(&entry);
  }
  std::sort(subjects.begin(), subjects.end(), [](const auto* x, const auto* y) { return x->name < y->name; });
  return subjects;
}

Status MakePairs(const CompareOptions& options, const TensorSet& a, const TensorSet& b, Pairing* pairing) {
  KVANT_RETURN_IF_ERROR(CheckSelection(options.selection, a.file()));
  const auto in_a = Subjects(options, a), in_b = Subjects(options, b);
  const auto add = [&](const TensorEntry* x, const TensorEntry* y) {
    if (a.ShapeOf(*x) != b.ShapeOf(*y)) {
      return TensorError(a.file().name(), x->name, "has shape {}, but in {} it is {}", ShapeText(a.ShapeOf(*x)),
                         b.file().name(), ShapeText(b.ShapeOf(*y)));
    }
    Pair& pair = pairing->pairs.emplace_back();
    pair.a = x;
    pair.b = y;
    return Status();
  };
  if (in_a.size() == 1 && in_b.size() == 1) return add(in_a[0], in_b[0]);
  for (const TensorEntry* x : in_a) {
    const TensorEntry* const y = b.file().Find(x->name);
    if (y == nullptr || b.IsParam(x->name)) {
      pairing->only_a.push_back(x->name);
    } else {
      KVANT_RETURN_IF_ERROR(add(x, y));
    }
  }
  for (const TensorEntry* y : in_b) {
    if (a.file().Find(y->name) == nullptr || a.IsParam(y->name)) pairing->only_b.push_back(y->name);
  }
  if (pairing->pairs.empty()) {
    return FileError(a.file().name(), "has no tensor of the same name as one in {}", b.file().name());
  }
  return {};
}

Status Compare(const TensorSet& a, const TensorSet& b, const Streaming& how, Pair* pair) {
  TensorValues x(a, *pair->a, how.exec), y(b, *pair->b, how.exec);
  pair->comparable = x.readable() && y.readable();
  if (!pair->comparable) return {};
  const int64_t unit = std::lcm(x.unit(), y.unit());
  const int64_t max_elements = std::max<int64_t>(how.block_bytes / 8, 2);
  Buffer from_x, from_y;
  return ForEachBox(x.whole(), PieceSize(x.whole(), unit, max_elements), [&](const Box& box) {
    const int64_t n = box.elements();
    auto* const p = reinterpret_cast<double*>(from_x.Resize(n * 8));
    auto* const q = reinterpret_cast<double*>(from_y.Resize(n * 8));
    KVANT_RETURN_IF_ERROR(x.Read(box, p));
    KVANT_RETURN_IF_ERROR(y.Read(box, q));
    pair->stats.Add(p, q, n);
    if (how.progress != nullptr) how.progress->Advance(n);
    return Status();
  });
}

// A note on codes that stand for x * smooth while the other side has x.
std::string NoteOn(const TensorSet& a, const TensorSet& b, const Pair& pair) {
  const auto smooth = [](const TensorSet& set, const TensorEntry& entry) {
    const QuantizedTensor* const quantized = set.FindQuantized(entry.name);
    return quantized != nullptr ? quantized->info.smooth : "";
  };
  const std::string in_a = smooth(a, *pair.a), in_b = smooth(b, *pair.b);
  if (in_a == in_b) return "";
  return SmoothNote(in_b.empty() ? in_a : in_b);
}

void PrintTable(const TensorSet& a, const TensorSet& b, const Pairing& pairing) {
  Table table({"<tensor", "<a", "<b", "<shape", "max error", "SQNR dB", "cosine", "<note"});
  for (const Pair& pair : pairing.pairs) {
    const ErrorStats& stats = pair.stats;
    std::string note = NoteOn(a, b, pair);
    if (stats.unlike() > 0) note = fmt::format("{} NaN or inf on one side only", Grouped(stats.unlike()));
    if (!pair.comparable) note = "not numbers";
    const auto text = [&](double value, int decimals) {
      if (!pair.comparable || std::isnan(value)) return std::string("-");
      return std::isinf(value) ? std::string("inf") : fmt::format("{:.{}f}", value, decimals);
    };
    table.Add({Printable(pair.a->name), TypeText(a, *pair.a), TypeText(b, *pair.b), ShapeText(a.ShapeOf(*pair.a)),
               pair.comparable ? Short(stats.max_error()) : "-", text(stats.Sqnr(), 2), text(stats.Cosine(), 7), note});
  }
  Print(table.Text());
  for (const auto& [names, file] : {std::pair{&pairing.only_a, &a.file()}, std::pair{&pairing.only_b, &b.file()}}) {
    for (const std::string& name : *names) Print(fmt::format("only in {}: {}\n", file->name(), Printable(name)));
  }
}

void PrintAsJson(const CompareOptions& options, const TensorSet& a, const TensorSet& b, const Pairing& pairing) {
  ordered_json tensors = ordered_json::array();
  for (const Pair& pair : pairing.pairs) {
    ordered_json one = {{"name", pair.a->name},
                        {"a", TypeText(a, *pair.a)},
                        {"b", TypeText(b, *pair.b)},
                        {"shape", a.ShapeOf(*pair.a)}};
    if (pair.comparable) {
      const ErrorStats& stats = pair.stats;
      one["equal"] = stats.max_error() == 0 && stats.unlike() == 0;
      one["max_error"] = stats.max_error();
      one["max_error_at"] = stats.max_error_at();
      one["sqnr_db"] = stats.Sqnr();
      one["cosine"] = stats.Cosine();
      one["nan_or_inf_on_one_side"] = stats.unlike();
    }
    tensors.push_back(std::move(one));
  }
  PrintJson({{"a", options.a},
             {"b", options.b},
             {"tensors", tensors},
             {"only_in_a", pairing.only_a},
             {"only_in_b", pairing.only_b}});
}

}  // namespace

Status RunCompare(const CompareOptions& options) {
  std::unique_ptr<TensorSet> a, b;
  KVANT_RETURN_IF_ERROR(TensorSet::Open(options.a, &a));
  KVANT_RETURN_IF_ERROR(TensorSet::Open(options.b, &b));
  Pairing pairing;
  KVANT_RETURN_IF_ERROR(MakePairs(options, *a, *b, &pairing));
  {
    int64_t elements = 0;
    for (const Pair& pair : pairing.pairs) {
      elements += WholeTensor(a->ShapeOf(*pair.a), QuantMode::kPerToken).elements();
    }
    Progress progress("compare", elements);
    const ParallelFor parallel = Threads(options.threads);
    Streaming how;
    how.block_bytes = options.block_bytes;
    how.exec.parallel = &parallel;
    how.progress = &progress;
    for (Pair& pair : pairing.pairs) KVANT_RETURN_IF_ERROR(Compare(*a, *b, how, &pair));
  }
  options.json ? PrintAsJson(options, *a, *b, pairing) : PrintTable(*a, *b, pairing);
  return {};
}

}  // namespace kvant::cli
