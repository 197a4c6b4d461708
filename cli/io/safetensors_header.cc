#include "cli/io/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/io/message.h"

namespace kvant::cli {
namespace {

constexpr int64_t kMaxInt = std::numeric_limits<int64_t>::max();

// As in the reference implementation. Only unknown members can nest at all.
constexpr int kMaxDepth = 128;

// Receives the JSON as events, so that what is not expected stops the parser at once and no tree is ever built.
class HeaderReader {
 public:
  HeaderReader(std::string_view file, std::string_view json, TensorTable* table)
      : file_(file), json_(json), table_(table) {}

  const Status& status() const { return status_; }

  bool null() {
    if (state_ != State::kMetadata) return Other("null");
    state_ = State::kName;
    return true;
  }
  bool boolean(bool value) { return Other(value ? "true" : "false"); }
  bool number_integer(int64_t value) { return Other(value == 0 ? "-0" : std::to_string(value)); }
  bool number_float(double, const std::string& text) { return Other(Printable(text, 40)); }

  bool number_unsigned(uint64_t value) {
    if (value > static_cast<uint64_t>(kMaxInt)) return Other(std::to_string(value));
    const auto number = static_cast<int64_t>(value);
    if (state_ == State::kShapeItem) {
      // One too many is enough for SetBytes to refuse; millions would only cost memory.
      if (entry_.shape.size() <= kMaxFileRank) entry_.shape.push_back(number);
      return true;
    }
    if (state_ == State::kOffsetsItem) {
      if (num_offsets_ == 2) return Other(fmt::format("a third number, {}", value));
      offsets_[num_offsets_++] = number;
      return true;
    }
    return Other(std::to_string(value));
  }

  bool string(std::string& value) {
    if (state_ == State::kDtype) {
      const std::optional<ElementType> type = ParseElementType(value);
      if (!type) {
        status_ = Status::InvalidType(
            fmt::format("{}: tensor '{}': unknown dtype '{}'", file_, Printable(entry_.name), Printable(value, 40)));
        return false;
      }
      entry_.type = *type;
      state_ = State::kMember;
      return true;
    }
    if (state_ == State::kMetadataValue) {
      if (!table_->metadata.emplace(key_, std::move(value)).second) {
        return Fail(FileError(file_, "__metadata__: key '{}' appears twice", Printable(key_)));
      }
      state_ = State::kMetadataKey;
      return true;
    }
    return Other("a string");
  }

  // Part of the parser's interface; no JSON text has it.
  bool binary(std::vector<uint8_t>&) { return Other("binary data"); }

  bool start_object(size_t) {
    switch (state_) {
      case State::kStart:
        state_ = State::kName;
        return true;
      case State::kEntry:
        state_ = State::kMember;
        return true;
      case State::kMetadata:
        state_ = State::kMetadataKey;
        return true;
      default:
        return EnterOther("an object");
    }
  }

  bool key(std::string& name) {
    switch (state_) {
      case State::kName:
        if (name != "__metadata__") {
          entry_ = TensorEntry();
          entry_.name = std::move(name);
          has_dtype_ = has_shape_ = has_offsets_ = false;
          num_offsets_ = 0;
          state_ = State::kEntry;
          return true;
        }
        if (has_metadata_) return Fail(FileError(file_, "__metadata__ appears twice"));
        has_metadata_ = true;
        state_ = State::kMetadata;
        return true;
      case State::kMember:
        if (name == "dtype") return Member(name, &has_dtype_, State::kDtype);
        if (name == "shape") return Member(name, &has_shape_, State::kShape);
        if (name == "data_offsets") return Member(name, &has_offsets_, State::kOffsets);
        state_ = State::kUnknown;
        return true;
      case State::kMetadataKey:
        key_ = std::move(name);
        state_ = State::kMetadataValue;
        return true;
      default:
        return true;
    }
  }

  bool end_object() {
    if (state_ == State::kUnknown) return LeaveOther();
    if (state_ == State::kMember) return FinishEntry();
    state_ = State::kName;
    return true;
  }

  bool start_array(size_t) {
    if (state_ == State::kShape) {
      state_ = State::kShapeItem;
      return true;
    }
    if (state_ == State::kOffsets) {
      state_ = State::kOffsetsItem;
      return true;
    }
    return EnterOther("an array");
  }

  bool end_array() {
    if (state_ == State::kUnknown) return LeaveOther();
    if (state_ == State::kOffsetsItem && num_offsets_ != 2) return Other(num_offsets_ == 0 ? "nothing" : "one number");
    state_ = State::kMember;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) {
    return SyntaxError(position);
  }

  // `position` counts the bytes read, the offending one included.
  bool SyntaxError(size_t position) {
    constexpr size_t kExcerpt = 24;
    const size_t end = std::min(position, json_.size());
    const size_t begin = end - std::min(end, kExcerpt);
    return Fail(FileError(file_, "header is not valid JSON at byte {}, near '{}'", end,
                          Printable(json_.substr(begin, end - begin))));
  }

 private:
  // What the next event belongs to.
  enum class State {
    kStart,          // the whole header
    kName,           // a name in it, or its end
    kEntry,          // the object of a name
    kMember,         // a member of that object, or its end
    kDtype,          // the value of such a member
    kShape,          //
    kShapeItem,      //
    kOffsets,        //
    kOffsetsItem,    //
    kUnknown,        // the value of a member that the format does not know; depth_ levels inside it
    kMetadata,       // the object of __metadata__
    kMetadataKey,    //
    kMetadataValue,  //
  };

  bool Fail(Status status) {
    status_ = std::move(status);
    return false;
  }

  bool Member(std::string_view name, bool* seen, State next) {
    if (*seen) return Fail(TensorError(file_, entry_.name, "{} appears twice", name));
    *seen = true;
    state_ = next;
    return true;
  }

  // A value of a kind that only an unknown member may have; `got` describes it.
  bool Other(std::string_view got) {
    switch (state_) {
      case State::kEntry:
        return Fail(TensorError(file_, entry_.name, "must be an object, not {}", got));
      case State::kDtype:
        return Fail(TensorError(file_, entry_.name, "dtype must be a string, not {}", got));
      case State::kShape:
      case State::kShapeItem:
        return Fail(TensorError(file_, entry_.name, "shape must be an array of integers from 0 to {}, but has {}",
                                kMaxInt, got));
      case State::kOffsets:
      case State::kOffsetsItem:
        return Fail(TensorError(file_, entry_.name, "data_offsets must be two integers from 0 to {}, but has {}",
                                kMaxInt, got));
      case State::kMetadata:
        return Fail(FileError(file_, "__metadata__ must be an object of strings, not {}", got));
      case State::kMetadataValue:
        return Fail(FileError(file_, "__metadata__: value of '{}' must be a string, not {}", Printable(key_), got));
      default:
        if (depth_ == 0) state_ = State::kMember;
        return true;
    }
  }

  bool EnterOther(std::string_view got) {
    if (state_ != State::kUnknown) return Other(got);
    if (++depth_ > kMaxDepth) {
      return Fail(TensorError(file_, entry_.name, "an unknown member nests deeper than {} levels", kMaxDepth));
    }
    return true;
  }

  bool LeaveOther() {
    if (--depth_ == 0) state_ = State::kMember;
    return true;
  }

  bool FinishEntry() {
    const std::string_view missing = !has_dtype_     ? "dtype"
                                     : !has_shape_   ? "shape"
                                     : !has_offsets_ ? "data_offsets"
                                                     : "";
    if (!missing.empty()) return Fail(TensorError(file_, entry_.name, "has no {}", missing));
    if (offsets_[1] < offsets_[0]) {
      return Fail(TensorError(file_, entry_.name, "data_offsets {} end before they begin", ShapeText(offsets_)));
    }
    entry_.offset = offsets_[0];
    entry_.bytes = offsets_[1] - offsets_[0];
    table_->entries.push_back(std::move(entry_));
    state_ = State::kName;
    return true;
  }

  std::string_view file_, json_;
  TensorTable* table_;
  Status status_;
  State state_ = State::kStart;
  int depth_ = 0;
  TensorEntry entry_;
  bool has_dtype_ = false, has_shape_ = false, has_offsets_ = false, has_metadata_ = false;
  int64_t offsets_[2] = {};
  int num_offsets_ = 0;
  std::string key_;
};

}  // namespace

Status ParseSafetensorsHeader(std::string_view file, std::string_view json, TensorTable* table) {
  HeaderReader reader(file, json, table);
  // The parser takes NUL for the end of the text.
  if (const size_t nul = json.find('\0'); nul != std::string_view::npos) {
    reader.SyntaxError(nul + 1);
    return reader.status();
  }
  nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
  return reader.status();
}

Status FormatSafetensorsHeader(std::string_view file, std::span<const TensorEntry* const> entries,
                               const Metadata& metadata, std::string* json) {
  std::string_view culprit;
  const auto quote = [&culprit](std::string_view text) {
    culprit = text;
    return nlohmann::json(text).dump();
  };
  try {
    *json = '{';
    if (!metadata.empty()) {
      *json += "\"__metadata__\":{";
      for (const auto& [key, value] : metadata) *json += fmt::format("{}:{},", quote(key), quote(value));
      json->back() = '}';
      *json += ',';
    }
    for (const TensorEntry* entry : entries) {
      std::string shape = ShapeText(entry->shape);
      std::erase(shape, ' ');
      *json += fmt::format(R"({}:{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}},)", quote(entry->name),
                           Name(entry->type), shape, entry->offset, entry->offset + entry->bytes);
    }
    if (json->back() == ',') json->pop_back();
    *json += '}';
  } catch (const nlohmann::json::exception&) {
    return FileError(file, "'{}' is not UTF-8; names and metadata of safetensors must be", Printable(culprit));
  }
  return {};
}

}  // namespace kvant::cli
