// One-line error messages about files: what every reader and writer here reports with.
#ifndef CLI_IO_MESSAGE_H_
#define CLI_IO_MESSAGE_H_

#include <fmt/core.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "kvant/core/status.h"

namespace kvant::cli {

// `text` from a file or a command line, made safe to show on one line of a terminal: control characters, bytes that are
// not UTF-8 and characters that turn the direction of writing become escapes (\n, \x1b, \u202e), and what is longer
// than `limit` bytes is cut and ends in "...".
std::string Printable(std::string_view text, size_t limit = 200);

// The same for a path, which is never cut: it has to be found again. An empty one is ''.
std::string PrintablePath(std::string_view path);

// [3, 4], as error messages and listings show shapes.
std::string ShapeText(std::span<const int64_t> shape);

// "file: message". `file` is already printable.
template <class... Args>
Status FileError(std::string_view file, fmt::format_string<Args...> format, Args&&... args) {
  return Status::InvalidValue(fmt::format("{}: {}", file, fmt::format(format, std::forward<Args>(args)...)));
}

// "file: tensor 'name': message".
template <class... Args>
Status TensorError(std::string_view file, std::string_view tensor, fmt::format_string<Args...> format, Args&&... args) {
  return FileError(file, "tensor '{}': {}", Printable(tensor), fmt::format(format, std::forward<Args>(args)...));
}

// "file: what: the system's reason for `error`" with code kUnavailable: the file may be fine, the machine refused.
Status SystemError(std::string_view file, std::string_view what, int error);

}  // namespace kvant::cli

#endif  // CLI_IO_MESSAGE_H_
