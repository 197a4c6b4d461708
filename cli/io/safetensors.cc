#include "cli/io/safetensors.h"

#include <algorithm>
#include <tuple>
#include <vector>

#include "cli/io/message.h"
#include "cli/io/safetensors_header.h"

namespace kvant::cli {
namespace {

constexpr int64_t kLengthBytes = 8;

// Far above any file system's limit, and a header more is still a 63-bit offset.
constexpr int64_t kMaxData = int64_t{1} << 62;

Status ReadHeader(const ByteSource& source, std::string* json) {
  if (source.size() == 0) return FileError(source.name(), "the file is empty");
  const int64_t rest = source.size() - kLengthBytes;
  if (rest < 0) {
    return FileError(source.name(), "{} bytes are too few for the header length, which takes {}", source.size(),
                     kLengthBytes);
  }
  unsigned char field[kLengthBytes];
  KVANT_RETURN_IF_ERROR(source.Read(0, field, kLengthBytes));
  uint64_t length = 0;
  for (int i = kLengthBytes - 1; i >= 0; --i) length = length << 8 | field[i];
  if (length > static_cast<uint64_t>(rest) && length > static_cast<uint64_t>(kMaxSafetensorsHeader)) {
    return FileError(source.name(),
                     "is no safetensors file: its first 8 bytes tell of a header of {} bytes, but {} follow", length,
                     rest);
  }
  if (length > static_cast<uint64_t>(rest)) {
    return FileError(source.name(), "header says {} bytes but the file has {} after the length field", length, rest);
  }
  if (length > static_cast<uint64_t>(kMaxSafetensorsHeader)) {
    return FileError(source.name(), "header says {} bytes but safetensors allows at most {}", length,
                     kMaxSafetensorsHeader);
  }
  char first = '\0';
  if (length > 0) KVANT_RETURN_IF_ERROR(source.Read(kLengthBytes, &first, 1));
  if (first != '{') {
    return FileError(source.name(), "header must begin with '{{' but {}",
                     length == 0 ? "is empty" : fmt::format("begins with '{}'", Printable({&first, 1})));
  }
  json->resize(static_cast<size_t>(length));
  return source.Read(kLengthBytes, json->data(), static_cast<int64_t>(length));
}

Status CheckUniqueNames(std::string_view file, const std::vector<TensorEntry>& entries) {
  std::vector<std::string_view> names;
  names.reserve(entries.size());
  for (const TensorEntry& entry : entries) names.push_back(entry.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice == names.end()) return {};
  return FileError(file, "tensor '{}' appears twice", Printable(*twice));
}

std::string OffsetsText(const TensorEntry& entry) {
  return fmt::format("[{}, {}]", entry.offset, entry.offset + entry.bytes);
}

// Sorts entries by offset and checks that, in this order, each begins where the one before ends.
Status CheckLayout(std::string_view file, int64_t data_bytes, std::vector<TensorEntry>* entries) {
  std::stable_sort(entries->begin(), entries->end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::tie(a.offset, a.bytes) < std::tie(b.offset, b.bytes);
  });
  int64_t covered = 0;
  const TensorEntry* previous = nullptr;
  for (TensorEntry& entry : *entries) {
    const int64_t bytes = entry.bytes;
    const std::string offsets = OffsetsText(entry);
    KVANT_RETURN_IF_ERROR(SetBytes(file, &entry));
    if (entry.bytes != bytes) {
      return TensorError(file, entry.name, "data_offsets {} hold {} bytes but shape {} of {} needs {}", offsets, bytes,
                         ShapeText(entry.shape), Name(entry.type), entry.bytes);
    }
    if (entry.offset < covered) {
      return TensorError(file, entry.name, "data_offsets {} overlap {} of tensor '{}'", offsets, OffsetsText(*previous),
                         Printable(previous->name));
    }
    if (entry.offset + bytes > data_bytes) {
      return TensorError(file, entry.name, "data_offsets {} run past the end of the data, which has {} bytes", offsets,
                         data_bytes);
    }
    if (entry.offset > covered) {
      return FileError(file, "bytes {} to {} of the data, before tensor '{}', belong to no tensor", covered,
                       entry.offset, Printable(entry.name));
    }
    covered += bytes;
    previous = &entry;
  }
  if (covered == data_bytes) return {};
  return FileError(file, "the tensors need {} bytes of data but the file has {}", covered, data_bytes);
}

}  // namespace

Status ReadSafetensors(const ByteSource& source, TensorTable* table) {
  std::string json;
  KVANT_RETURN_IF_ERROR(ReadHeader(source, &json));
  KVANT_RETURN_IF_ERROR(ParseSafetensorsHeader(source.name(), json, table));
  const int64_t data_start = kLengthBytes + static_cast<int64_t>(json.size());
  KVANT_RETURN_IF_ERROR(CheckUniqueNames(source.name(), table->entries));
  KVANT_RETURN_IF_ERROR(CheckLayout(source.name(), source.size() - data_start, &table->entries));
  for (TensorEntry& entry : table->entries) entry.offset += data_start;
  return {};
}

Status EncodeSafetensors(std::string_view file, TensorTable* table, std::string* header) {
  KVANT_RETURN_IF_ERROR(CheckUniqueNames(file, table->entries));
  std::vector<TensorEntry*> order;
  int64_t data_bytes = 0;
  for (TensorEntry& entry : table->entries) {
    if (entry.name == "__metadata__") return FileError(file, "safetensors reserves the name '__metadata__'");
    KVANT_RETURN_IF_ERROR(SetBytes(file, &entry));
    if (entry.bytes > kMaxData - data_bytes) return FileError(file, "the tensors need more than {} bytes", kMaxData);
    data_bytes += entry.bytes;
    order.push_back(&entry);
  }
  std::sort(order.begin(), order.end(), [](const TensorEntry* a, const TensorEntry* b) {
    return a->type != b->type ? a->type > b->type : a->name < b->name;
  });
  int64_t offset = 0;
  for (TensorEntry* entry : order) {
    entry->offset = offset;
    offset += entry->bytes;
  }
  KVANT_RETURN_IF_ERROR(FormatSafetensorsHeader(file, order, table->metadata, header));
  header->append((kLengthBytes - header->size() % kLengthBytes) % kLengthBytes, ' ');
  const auto length = static_cast<int64_t>(header->size());
  if (length > kMaxSafetensorsHeader) {
    return FileError(file, "names, shapes and metadata need a header of {} bytes but safetensors allows at most {}",
                     length, kMaxSafetensorsHeader);
  }
  char field[kLengthBytes];
  for (int i = 0; i < kLengthBytes; ++i) field[i] = static_cast<char>(length >> (8 * i));
  header->insert(0, field, kLengthBytes);
  for (TensorEntry& entry : table->entries) entry.offset += static_cast<int64_t>(header->size());
  return {};
}

}  // namespace kvant::cli
