#include "cli/selection.h"

#include <fnmatch.h>

#include <algorithm>

#include "cli/io/message.h"

namespace kvant::cli {
namespace {

bool MatchesOne(const std::vector<std::string>& patterns, const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return fnmatch(pattern.c_str(), name.c_str(), 0) == 0; });
}

}  // namespace

bool Selects(const Selection& selection, std::string_view name) {
  const std::string text(name);
  if (MatchesOne(selection.except, text)) return false;
  return selection.all() || MatchesOne(selection.patterns, text) ||
         std::find(selection.names.begin(), selection.names.end(), text) != selection.names.end();
}

Status CheckSelection(const Selection& selection, const TensorSet& set) {
  const TensorFile& file = set.file();
  for (const std::string& name : selection.names) {
    if (file.Find(name) == nullptr) return FileError(file.name(), "has no tensor '{}'", Printable(name));
    if (set.IsParam(name)) {
      const std::string owner = Printable(set.OwnerOf(name));
      return TensorError(file.name(), name, "is the scale or offset of '{}'; choose '{}'", owner, owner);
    }
  }
  for (const auto* patterns : {&selection.patterns, &selection.except}) {
    for (const std::string& pattern : *patterns) {
      if (std::none_of(file.entries().begin(), file.entries().end(),
                       [&](const TensorEntry& entry) { return MatchesOne({pattern}, entry.name); })) {
        return FileError(file.name(), "has no tensor that matches '{}'", Printable(pattern));
      }
    }
  }
  const bool nothing = std::none_of(file.entries().begin(), file.entries().end(),
                                    [&](const TensorEntry& entry) { return Selects(selection, entry.name); });
  if (nothing && !selection.except.empty()) return FileError(file.name(), "--except leaves no tensor of those chosen");
  return {};
}

}  // namespace kvant::cli
