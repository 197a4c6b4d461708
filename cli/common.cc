#include "cli/common.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/io/message.h"

namespace kvant::cli {
namespace {

// Columns that a terminal shows: bytes that do not continue a UTF-8 sequence.
size_t Width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

ParallelFor Threads(int threads) {
  ParallelFor parallel = DefaultParallelFor();
  if (threads > 0) parallel.num_threads = threads;
  return parallel;
}

void Print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void PrintJson(const nlohmann::ordered_json& document) {
  Print(document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

Status FinishOutput() {
  if (std::fflush(stdout) != 0) return SystemError("standard output", "cannot write", errno);
  if (std::ferror(stdout) != 0) return SystemError("standard output", "cannot write", EIO);
  return {};
}

void PrintError(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

Status CheckOutputs(const std::vector<std::string>& read, const std::vector<std::string>& written) {
  std::error_code none;
  for (const std::string& output : written) {
    for (const std::string& input : read) {
      if (!std::filesystem::equivalent(input, output, none)) continue;
      return FileError(PrintablePath(output), "is an input; give the output another name");
    }
  }
  return {};
}

Table::Table(std::vector<std::string> headings) : headings_(std::move(headings)) {
  for (std::string& heading : headings_) {
    left_.push_back(heading.starts_with('<'));
    if (left_.back()) heading.erase(0, 1);
  }
}

void Table::Add(std::vector<std::string> cells) { rows_.push_back({std::move(cells), false}); }

void Table::AddText(std::string text) { rows_.push_back({{std::move(text)}, true}); }

std::string Table::Text() const {
  std::vector<size_t> widths;
  for (const std::string& heading : headings_) widths.push_back(Width(heading));
  for (const Row& row : rows_) {
    for (size_t c = 0; !row.free_text && c < row.cells.size(); ++c)
      widths[c] = std::max(widths[c], Width(row.cells[c]));
  }
  std::string text;
  const auto add = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (size_t c = 0; c < cells.size(); ++c) {
      const std::string gap(widths[c] - Width(cells[c]), ' ');
      line += (c == 0 ? "" : "  ") + (left_[c] ? cells[c] + gap : gap + cells[c]);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  };
  add(headings_);
  for (const Row& row : rows_) {
    if (row.free_text) {
      text += row.cells[0] + "\n";
    } else {
      add(row.cells);
    }
  }
  return text;
}

std::string Grouped(int64_t n) {
  std::string digits = std::to_string(n);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > (n < 0 ? 1 : 0); at -= 3) {
    digits.insert(static_cast<size_t>(at), ",");
  }
  return digits;
}

std::string Short(double value) {
  const double magnitude = std::fabs(value);
  if (!std::isfinite(value) || value == 0) return fmt::format("{}", value);
  if (magnitude >= 99999.5 || magnitude < 0.0001) return fmt::format("{:.2e}", value);
  const int before = magnitude >= 99.95 ? 0 : magnitude >= 9.995 ? 1 : magnitude >= 0.9995 ? 2 : 3;
  if (before < 3) return fmt::format("{:.{}f}", value, before);
  return fmt::format("{:.3g}", value);
}

std::string Alternatives(const std::vector<std::string_view>& names) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : i + 1 == names.size() ? " or " : ", ", names[i]);
  }
  return text;
}

std::string Count(int64_t n, std::string_view noun) {
  return fmt::format("{} {}{}", Grouped(n), noun, n == 1 ? "" : "s");
}

}  // namespace kvant::cli
