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
  bool same_shape = true;
  bool comparable = false;  // of one shape, and types that hold numbers
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
  KVANT_RETURN_IF_ERROR(CheckSelection(options.selection, a));
  const auto in_a = Subjects(options, a), in_b = Subjects(options, b);
  const auto add = [&](const TensorEntry* x, const TensorEntry* y) {
    Pair& pair = pairing->pairs.emplace_back();
    pair.a = x;
    pair.b = y;
    pair.same_shape = a.ShapeOf(*x) == b.ShapeOf(*y);
    pair.comparable = pair.same_shape && TensorValues(a, *x, {}).readable() && TensorValues(b, *y, {}).readable();
  };
  if (in_a.size() == 1 && in_b.size() == 1) {
    add(in_a[0], in_b[0]);
    return {};
  }
  for (const TensorEntry* x : in_a) {
    const TensorEntry* const y = b.file().Find(x->name);
    if (y == nullptr || b.IsParam(x->name)) {
      pairing->only_a.push_back(x->name);
    } else {
      add(x, y);
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

template <class Real>
Status CompareAs(TensorValues* x, TensorValues* y, const Streaming& how, ErrorStats* stats) {
  constexpr int64_t kBytes = sizeof(Real);
  const int64_t max_elements = std::max<int64_t>(how.block_bytes / kBytes, 2);
  Buffer from_x, from_y;
  return ForEachPiece(x->whole(), std::lcm(x->unit(), y->unit()), max_elements, [&](const Box& box) {
    const int64_t n = box.elements();
    auto* const p = reinterpret_cast<Real*>(from_x.Resize(n * kBytes));
    auto* const q = reinterpret_cast<Real*>(from_y.Resize(n * kBytes));
    KVANT_RETURN_IF_ERROR(x->Read(box, p));
    KVANT_RETURN_IF_ERROR(y->Read(box, q));
    stats->Add(p, q, n);
    if (how.progress != nullptr) how.progress->Advance(x->Bytes(box) + y->Bytes(box));
    return Status();
  });
}

Status Compare(const TensorSet& a, const TensorSet& b, const Streaming& how, Pair* pair) {
  if (!pair->comparable) return {};
  TensorValues x(a, *pair->a, how.exec), y(b, *pair->b, how.exec);
  return x.wide() || y.wide() ? CompareAs<long double>(&x, &y, how, &pair->stats)
                              : CompareAs<double>(&x, &y, how, &pair->stats);
}

// A note on tensors that cannot be compared, or are not quite the same thing: x * smooth and x.
std::string NoteOn(const TensorSet& a, const TensorSet& b, const Pair& pair) {
  if (!pair.same_shape) return fmt::format("shapes differ: {} in b", ShapeText(b.ShapeOf(*pair.b)));
  if (!pair.comparable) return "not numbers";
  if (pair.stats.unlike() > 0) return fmt::format("{} NaN or inf on one side only", Grouped(pair.stats.unlike()));
  const std::string in_a = a.SmoothOf(pair.a->name), in_b = b.SmoothOf(pair.b->name);
  if (in_a == in_b) return "";
  return SmoothNote(in_b.empty() ? in_a : in_b);
}

void PrintTable(const TensorSet& a, const TensorSet& b, const Pairing& pairing) {
  Table table({"<tensor", "<a", "<b", "<shape", "max error", "SQNR dB", "cosine", "<note"});
  for (const Pair& pair : pairing.pairs) {
    const ErrorStats& stats = pair.stats;
    const auto text = [&](double value, int decimals) {
      return !pair.comparable || std::isnan(value) ? "-" : fmt::format("{:.{}f}", value, decimals);
    };
    table.Add({Printable(pair.a->name), TypeText(a, *pair.a), TypeText(b, *pair.b), ShapeText(a.ShapeOf(*pair.a)),
               pair.comparable ? Short(stats.max_error()) : "-", text(stats.Sqnr(), 2), text(stats.Cosine(), 7),
               NoteOn(a, b, pair)});
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
                        {"shape", a.ShapeOf(*pair.a)},
                        {"smooth_a", a.SmoothOf(pair.a->name)},
                        {"smooth_b", b.SmoothOf(pair.b->name)}};
    if (!pair.same_shape) {
      one["shape_b"] = b.ShapeOf(*pair.b);
      one["equal"] = false;
    }
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
    int64_t bytes = 0;
    for (const Pair& pair : pairing.pairs) bytes += pair.comparable ? pair.a->bytes + pair.b->bytes : 0;
    Progress progress("compare", bytes);
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
