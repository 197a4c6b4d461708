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

// The same for one value.
template <class T, class Parse>
CLI::Option* AddParsed(CLI::App* app, const std::string& name, const std::string& what, T* value, Parse parse,
                       const std::string& expected, const std::string& help) {
  return app
      ->add_option_function<std::string>(
          name,
          [=](const std::string& text) {
            if (!parse(text, value)) {
              throw CLI::ValidationError(name, fmt::format("'{}' is not {}", Printable(text), expected));
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

inline constexpr const char* kFormatNames = "int8, int4, float8_e4m3fn, float8_e5m2 or hifloat8";

inline void AddThreads(CLI::App* app, int* threads, const std::string& help = "default: all of the machine") {
  AddNumber(app, "--threads", "N", threads, 1, 4096, help);
}

inline void AddJson(CLI::App* app, bool* json) { app->add_flag("--json", *json, "print JSON"); }

// The option `--symmetric` or `--asymmetric`; `value` stays as it is without either.
template <class T>
void AddSymmetry(CLI::App* app, T* value) {
  CLI::Option* const symmetric = app->add_flag_callback(
      "--symmetric", [value] { *value = true; }, "scale only: x ~ code * scale");
  CLI::Option* const asymmetric = app->add_flag_callback(
      "--asymmetric", [value] { *value = false; }, "scale and offset: x ~ (code - offset) * scale");
  symmetric->option_text(" ");  // not what it excludes
  asymmetric->option_text(" ")->excludes(symmetric);
}

}  // namespace kvant::cli

#endif  // CLI_OPTIONS_H_
