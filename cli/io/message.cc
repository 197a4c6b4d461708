#include "cli/io/message.h"

#include <system_error>

namespace kvant::cli {
namespace {

// Bytes of the UTF-8 sequence at the start of `text`, with its code point; 0 if it is not one.
size_t DecodeUtf8(std::string_view text, uint32_t* code_point) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const uint32_t lead = byte(0);
  const size_t n = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (n == 0 || n > text.size()) return 0;
  uint32_t value = n == 1 ? lead : lead & (0x7Fu >> n);
  for (size_t i = 1; i < n; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    value = (value << 6) | (byte(i) & 0x3Fu);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kSmallest[n] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return 0;
  *code_point = value;
  return n;
}

// Line separators, and the marks that reorder the text around them.
bool DisturbsLine(uint32_t code_point) {
  return (code_point >= 0x7F && code_point <= 0x9F) || code_point == 0x061C || code_point == 0x200E ||
         code_point == 0x200F || (code_point >= 0x2028 && code_point <= 0x202E) ||
         (code_point >= 0x2066 && code_point <= 0x2069) || code_point == 0xFEFF;
}

}  // namespace

std::string Printable(std::string_view text, size_t limit) {
  std::string out;
  while (!text.empty()) {
    uint32_t code_point = 0;
    const size_t n = DecodeUtf8(text, &code_point);
    std::string piece;
    if (n == 0 || (n == 1 && (code_point < 0x20 || code_point == 0x7F))) {
      piece = code_point == '\n' && n == 1 ? "\\n" : fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
    } else if (DisturbsLine(code_point)) {
      piece = fmt::format("\\u{:04x}", code_point);
    } else {
      piece = text.substr(0, n);
    }
    if (out.size() + piece.size() > limit) return out + "...";
    out += piece;
    text.remove_prefix(n == 0 ? 1 : n);
  }
  return out;
}

std::string PrintablePath(std::string_view path) {
  return path.empty() ? "''" : Printable(path, std::string_view::npos);
}

std::string ShapeText(std::span<const int64_t> shape) {
  std::string out = "[";
  for (size_t d = 0; d < shape.size(); ++d) out += fmt::format("{}{}", d == 0 ? "" : ", ", shape[d]);
  return out + "]";
}

Status SystemError(std::string_view file, std::string_view what, int error) {
  return Status::Unavailable(fmt::format("{}: {}: {}", file, what, std::generic_category().message(error)));
}

}  // namespace kvant::cli
