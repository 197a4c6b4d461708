// Command-line options that several commands share.
#ifndef CLI_OPTIONS_H_
#define CLI_OPTIONS_H_

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

#include "cli/io/message.h"
#include "cli/quant_info.h"
#include "kvant/core/status.h"

namespace kvant::cli {

using Run = std::function<Status()>;

// An option whose texts `parse` (bool(std::string_view, T*)) understands, or else `expected` says what it takes. Given
// once or more often, it replaces the list.
template <class T, class Parse>
CLI::Option* AddList(CLI::App* app, const std::string& name, const std::string& what, std::vector<T>* values,
                     Parse parse, const std::string& expected, const std::string& help) {
  return app
      ->add_option_function<std::vector<std::string>>(
          name,
          [=](const std::vector<std::string>& texts) {
            values->clear();
            for (const std::string& text : texts) {
              if (!parse(text, &values->emplace_back())) {
                throw CLI::ValidationError(name, fmt::format("'{}' is not {}", Printable(text), expected));
              }
            }
          },
          help)
      ->option_text(what)
      ->allow_extra_args(false);
}

// The same for one value. Errors call it by the first of its names.
template <class T, class Parse>
CLI::Option* AddParsed(CLI::App* app, const std::string& name, const std::string& what, T* value, Parse parse,
                       const std::string& expected, const std::string& help) {
  return app
      ->add_option_function<std::string>(
          name,
          [=](const std::string& text) {
            if (!parse(text, value)) {
              throw CLI::ValidationError(name.substr(0, name.find(',')),
                                         fmt::format("'{}' is not {}", Printable(text), expected));
            }
          },
          help)
      ->option_text(what);
}

// The whole text as a number.
template <class T>
bool ParseNumber(std::string_view text, T* value) {
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && rest == end;
}

// A number from `low` to `high`; `of` says of what, as " of bytes".
template <class T>
CLI::Option* AddNumber(CLI::App* app, const std::string& name, const std::string& what, T* value, T low, T high,
                       const std::string& help, const char* of = "") {
  const auto parse = [=](std::string_view text, T* number) {
    return ParseNumber(text, number) && *number >= low && *number <= high;
  };
  const char* const kind = std::is_integral_v<T> ? "whole " : "";
  return AddParsed(app, name, what, value, parse, fmt::format("a {}number{} from {} to {}", kind, of, low, high), help);
}

// The option `--dst`, once or, for a list, several times.
inline void AddFormat(CLI::App* app, Format* format, const std::string& help) {
  AddParsed(app, "--dst", "FORMAT", format, ParseFormat, FormatNames(), FormatNames() + "; " + help);
}
inline void AddFormat(CLI::App* app, std::vector<Format>* formats, const std::string& help) {
  AddList(app, "--dst", "FORMAT", formats, ParseFormat, FormatNames(), FormatNames() + ";\nseveral times too; " + help);
}

// The option `--dtype`; T is DType or an optional one.
template <class T>
void AddFloatType(CLI::App* app, T* dtype, const std::string& help) {
  const auto parse = [](std::string_view text, T* value) {
    DType parsed;
    if (!ParseFloatType(text, &parsed)) return false;
    *value = parsed;
    return true;
  };
  AddParsed(app, "--dtype", "DTYPE", dtype, parse, FloatTypeNames(), FloatTypeNames() + "; " + help);
}

// The option `--mode`, which operators call quant_mode.
inline void AddQuantMode(CLI::App* app, QuantMode* mode) {
  AddParsed(app, "--mode,--quant-mode", "MODE", mode, ParseQuantMode, "pertoken, pertensor or perchannel",
            "what shares a scale: a row (pertoken, default), all (pertensor), dimension -2 (perchannel)");
}

// The option `--group-size`, of rows.
inline void AddGroupSize(CLI::App* app, int64_t* group_size) {
  AddNumber(app, "--group-size", "N", group_size, int64_t{0}, int64_t{1} << 40,
            "elements of a row that share a scale; pertoken int8 and int4; default 0: all");
}

inline void AddThreads(CLI::App* app, int* threads, const std::string& help = "default: all of the machine") {
  AddNumber(app, "--threads", "N", threads, 1, 4096, help);
}

inline void AddJson(CLI::App* app, bool* json) { app->add_flag("--json", *json, "print JSON"); }

// The option `--symmetric` or `--asymmetric`; `value` stays as it is without either. The last two texts say which of
// them is the default of what.
template <class T>
void AddSymmetry(CLI::App* app, T* value, const std::string& symmetric_default, const std::string& asymmetric_default) {
  CLI::Option* const symmetric = app->add_flag_callback(
      "--symmetric", [value] { *value = true; }, "scale only: x ~ code * scale" + symmetric_default);
  CLI::Option* const asymmetric = app->add_flag_callback(
      "--asymmetric", [value] { *value = false; },
      "scale and offset: x ~ (code - offset) * scale" + asymmetric_default);
  symmetric->option_text(" ");  // not what it excludes
  asymmetric->option_text(" ")->excludes(symmetric);
}

}  // namespace kvant::cli

#endif  // CLI_OPTIONS_H_
