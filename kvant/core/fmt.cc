// fmt, compiled once. All other files declare its functions by <fmt/core.h> and take a quarter of the time for that.
#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

namespace {

// The functions behind fmt::format and fmt::print, which are inline here, for others to link.
[[maybe_unused, gnu::used]] std::string (*const format)(fmt::string_view, fmt::format_args) = &fmt::vformat;
[[maybe_unused, gnu::used]] void (*const print)(std::FILE*, fmt::string_view, fmt::format_args) = &fmt::vprint;

}  // namespace
