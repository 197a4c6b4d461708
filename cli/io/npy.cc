#include "cli/io/npy.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "cli/io/message.h"

namespace kvant::cli {
namespace {

// Version 1 cannot say more; only arrays of structures need more in the later versions, and kvant does not read those.
constexpr int64_t kMaxHeader = 65535;

// NumPy reserves room for the first dimension to grow to this many digits, and ends the header on this boundary.
constexpr size_t kGrowthDigits = 21;
constexpr size_t kAlignment = 64;

struct Header {
  std::optional<std::string_view> descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<int64_t>> shape;
};

// The subset of Python that such a dictionary is written in.
class Literal {
 public:
  explicit Literal(std::string_view text) : text_(text) {}

  size_t position() const { return position_; }

  void SkipSpace() {
    while (position_ < text_.size() && std::string_view(" \t\n\r\f").find(text_[position_]) != std::string_view::npos) {
      ++position_;
    }
  }

  // The next token, if it is `token`.
  bool Take(std::string_view token) {
    SkipSpace();
    if (!text_.substr(position_).starts_with(token)) return false;
    position_ += token.size();
    return true;
  }

  bool AtEnd() {
    SkipSpace();
    return position_ == text_.size();
  }

  // Neither dtypes nor keys need escapes.
  std::optional<std::string_view> String() {
    SkipSpace();
    if (position_ == text_.size() || (text_[position_] != '\'' && text_[position_] != '"')) return std::nullopt;
    const size_t begin = position_ + 1;
    const size_t end = text_.find(text_[position_], begin);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view value = text_.substr(begin, end - begin);
    if (value.find('\\') != std::string_view::npos) return std::nullopt;
    position_ = end + 1;
    return value;
  }

  std::optional<bool> Bool() {
    if (Take("True")) return true;
    if (Take("False")) return false;
    return std::nullopt;
  }

  // A tuple of integers; Python 2 wrote 3L for 3.
  std::optional<std::vector<int64_t>> Tuple() {
    if (!Take("(")) return std::nullopt;
    std::vector<int64_t> values;
    bool comma = true;
    while (!Take(")")) {
      if (!comma) return std::nullopt;
      SkipSpace();
      int64_t value = 0;
      const char* const end = text_.data() + text_.size();
      const auto [next, error] = std::from_chars(text_.data() + position_, end, value);
      if (error != std::errc()) return std::nullopt;
      position_ = static_cast<size_t>(next - text_.data());
      if (values.size() <= kMaxFileRank) values.push_back(value);
      Take("L");
      comma = Take(",");
    }
    // (3) is a number, not a tuple.
    if (values.size() == 1 && !comma) return std::nullopt;
    return values;
  }

 private:
  std::string_view text_;
  size_t position_ = 0;
};

Status ParseHeader(std::string_view file, std::string_view text, Header* header) {
  Literal literal(text);
  const auto malformed = [&] {
    literal.SkipSpace();
    constexpr size_t kExcerpt = 24;
    std::string_view near = text.substr(literal.position(), kExcerpt);
    near = near.substr(0, near.find_last_not_of(" \n") + 1);
    return FileError(file, "header is not a dictionary of descr, fortran_order and shape at byte {}, near '{}'",
                     literal.position(), Printable(near));
  };
  if (!literal.Take("{")) return malformed();
  bool comma = true;
  while (!literal.Take("}")) {
    if (!comma) return malformed();
    const std::optional<std::string_view> key = literal.String();
    if (!key || !literal.Take(":")) return malformed();
    bool good = false;
    if (key == "descr" && !header->descr) {
      if (literal.Take("["))
        return Status::InvalidType(fmt::format("{}: arrays of structures are not supported", file));
      good = (header->descr = literal.String()).has_value();
    } else if (key == "fortran_order" && !header->fortran_order) {
      good = (header->fortran_order = literal.Bool()).has_value();
    } else if (key == "shape" && !header->shape) {
      good = (header->shape = literal.Tuple()).has_value();
    }
    if (!good) return malformed();
    comma = literal.Take(",");
  }
  if (!literal.AtEnd()) return malformed();
  if (!header->descr || !header->fortran_order || !header->shape) {
    return FileError(file, "header has no {}",
                     !header->descr           ? "descr"
                     : !header->fortran_order ? "fortran_order"
                                              : "shape");
  }
  return {};
}

// '<f4' -> F32.
Status ParseDescr(std::string_view file, std::string_view descr, ElementType* type) {
  const auto refuse = [&](std::string_view why) {
    return Status::InvalidType(fmt::format("{}: dtype '{}' {}", file, Printable(descr, 40), why));
  };
  const char order = descr.empty() ? '\0' : descr[0];
  const std::string_view kind = descr.substr(std::min<size_t>(1, descr.size()));
  if (kind == "V2") return refuse("is how NumPy stores bfloat16, which .npy cannot name; use .safetensors");
  if (kind == "V1" || kind == "f1") return refuse("is how NumPy stores FP8, which .npy cannot name; use .safetensors");
  for (int row = 0; row < kNumElementTypes; ++row) {
    const ElementTypeInfo& info = kElementTypes[row];
    if (info.npy.empty() || info.npy != kind) continue;
    if (info.bits == 8 ? order != '|' && order != '<' && order != '>' : order != '<' && order != '>') break;
    if (info.bits != 8 && order == '>') return refuse("is big-endian; kvant reads little-endian files");
    *type = static_cast<ElementType>(row);
    return {};
  }
  return refuse("is not supported");
}

}  // namespace

Status ReadNpy(const ByteSource& source, std::string_view tensor, TensorTable* table) {
  const std::string& file = source.name();
  if (source.size() == 0) return FileError(file, "the file is empty");
  std::string prefix(12, '\0');
  KVANT_RETURN_IF_ERROR(source.Read(0, prefix.data(), std::min<int64_t>(source.size(), 12)));
  const auto byte = [&](int i) { return static_cast<int64_t>(static_cast<unsigned char>(prefix[i])); };
  if (!prefix.starts_with(kNpyMagic)) return FileError(file, "does not begin with the magic string of .npy files");
  const int64_t major = byte(6), minor = byte(7);
  const int64_t start = major == 1 ? 10 : 12;
  if (source.size() < start) return FileError(file, "{} bytes are too few for a .npy file", source.size());
  if (major < 1 || major > 3 || minor != 0) {
    return FileError(file, "is version {}.{} of .npy; kvant reads 1.0, 2.0 and 3.0", major, minor);
  }
  const int64_t length = byte(8) | byte(9) << 8 | (major == 1 ? 0 : byte(10) << 16 | byte(11) << 24);
  const int64_t rest = source.size() - start;
  if (length > rest) {
    return FileError(file, "header says {} bytes but the file has {} after the length field", length, rest);
  }
  if (length > kMaxHeader) {
    return FileError(file, "header says {} bytes but kvant reads at most {}", length, kMaxHeader);
  }
  std::string text(static_cast<size_t>(length), '\0');
  KVANT_RETURN_IF_ERROR(source.Read(start, text.data(), length));

  Header header;
  KVANT_RETURN_IF_ERROR(ParseHeader(file, text, &header));
  TensorEntry entry;
  entry.name = tensor;
  entry.shape = *header.shape;
  entry.offset = start + length;
  KVANT_RETURN_IF_ERROR(ParseDescr(file, *header.descr, &entry.type));
  KVANT_RETURN_IF_ERROR(SetBytes(file, &entry));
  if (entry.bytes != rest - length) {
    return FileError(file, "shape {} of {} needs {} bytes but the file has {} after the header", ShapeText(entry.shape),
                     Name(entry.type), entry.bytes, rest - length);
  }
  const auto long_dims = std::count_if(entry.shape.begin(), entry.shape.end(), [](int64_t n) { return n > 1; });
  if (*header.fortran_order && long_dims > 1 && entry.bytes > 0) {
    return FileError(file, "shape {} is in Fortran order; save it in C order with numpy.ascontiguousarray",
                     ShapeText(entry.shape));
  }
  table->entries.push_back(std::move(entry));
  return {};
}

Status EncodeNpy(std::string_view file, TensorTable* table, std::string* header) {
  if (table->entries.size() != 1) {
    return FileError(file, ".npy holds one tensor but there are {}; use .safetensors", table->entries.size());
  }
  if (!table->metadata.empty()) return FileError(file, ".npy cannot hold metadata; use .safetensors");
  TensorEntry& entry = table->entries[0];
  const ElementTypeInfo& info = Info(entry.type);
  if (info.npy.empty()) {
    return Status::InvalidType(
        fmt::format("{}: tensor '{}': .npy cannot hold {}; use .safetensors", file, Printable(entry.name), info.name));
  }
  KVANT_RETURN_IF_ERROR(SetBytes(file, &entry));
  std::string shape = ShapeText(entry.shape);
  shape.front() = '(';
  shape.back() = ')';
  if (entry.shape.size() == 1) shape.insert(shape.size() - 1, ",");
  std::string text = fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': {}, }}",
                                 info.bits == 8 ? '|' : '<', info.npy, shape);
  if (!entry.shape.empty()) text.append(kGrowthDigits - std::to_string(entry.shape[0]).size(), ' ');
  constexpr size_t kPrefix = 10;
  text.append(kAlignment - (kPrefix + text.size() + 1) % kAlignment, ' ');
  text += '\n';
  *header = kNpyMagic;
  for (const size_t byte : {size_t{1}, size_t{0}, text.size() & 0xFF, text.size() >> 8}) {
    *header += static_cast<char>(byte);
  }
  *header += text;
  entry.offset = static_cast<int64_t>(header->size());
  return {};
}

}  // namespace kvant::cli
