// What the commands share: options that several take, and how results are printed.
#ifndef CLI_COMMON_H_
#define CLI_COMMON_H_

#include <fmt/core.h>

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "kvant/core/exec.h"
#include "kvant/core/parallel.h"
#include "kvant/core/status.h"

namespace kvant::cli {

// Input held in memory at a time. Below 16 MB the calls and the seeks begin to show; more gains nothing.
inline constexpr int64_t kBlockBytes = 64'000'000;

// The library's threads, `threads` of them; 0: all.
ParallelFor Threads(int threads);

// Writes to standard output. A reader that has gone or a full disk shows in FinishOutput.
void Print(std::string_view text);
// One JSON document and a line end. Text that is not UTF-8 is replaced, NaN and infinity become null.
void PrintJson(const nlohmann::ordered_json& document);
// Fails with kUnavailable if standard output did not take everything.
Status FinishOutput();

// Writes to standard error, whether that is open or not.
void PrintError(std::string_view text);

// Fails if one of the files that a command is about to write is one that it reads.
Status CheckOutputs(const std::vector<std::string>& read, const std::vector<std::string>& written);

// Columns that line up: the first ones to the left, numbers to the right.
class Table {
 public:
  // A heading that begins with '<' is of a column of text.
  explicit Table(std::vector<std::string> headings);
  void Add(std::vector<std::string> cells);
  // A line of its own, not aligned.
  void AddText(std::string text);
  std::string Text() const;

 private:
  struct Row {
    std::vector<std::string> cells;  // one: a line of its own
    bool free_text = false;
  };
  std::vector<std::string> headings_;
  std::vector<bool> left_;
  std::vector<Row> rows_;
};

// 1234567 -> "1,234,567".
std::string Grouped(int64_t n);
// Three significant digits: 0.00123, 12.3, 1.23e+08; "nan" and "inf" as they are.
std::string Short(double value);
// "a, b or c".
std::string Alternatives(const std::vector<std::string_view>& names);
// "1 tensor", "2 tensors".
std::string Count(int64_t n, std::string_view noun);

}  // namespace kvant::cli

#endif  // CLI_COMMON_H_
