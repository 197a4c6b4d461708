#include "cli/fuzz/verdict.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "cli/io/message.h"
#include "cli/io/npy.h"
#include "cli/io/safetensors.h"
#include "cli/io/tensor_file.h"

namespace kvant::cli {
namespace {

std::string BrokenError(const std::string& name, const Status& status) {
  const std::string& message = status.message();
  if (!message.starts_with(name + ": ")) return "the message does not begin with the file";
  if (message != Printable(message, message.size())) return "the message is not one printable line";
  // The longest holds two names, cut at 200 bytes, or a shape of 64 dimensions.
  if (message.size() > 2000) return "the message is too long";
  return status.code() == StatusCode::kInvalidValue || status.code() == StatusCode::kInvalidType ? "" : "odd code";
}

std::string BrokenLayout(const TensorFile& file) {
  int64_t bytes = 0, end = 0;
  for (const TensorEntry& entry : file.entries()) {
    if (entry.offset < end || entry.bytes < 0) return "tensors overlap";
    end = entry.offset + entry.bytes;
    bytes += entry.bytes;
    if (file.Find(entry.name) != &entry) return "a tensor is not found by its name";
  }
  if (file.entries().empty()) return "";
  if (end != file.file_bytes()) return "the last tensor does not end with the file";
  if (bytes != end - file.entries()[0].offset) return "bytes between tensors";
  return "";
}

std::string BrokenReading(const TensorFile& file, const std::string& bytes) {
  constexpr int64_t kBlock = 5;
  for (const TensorEntry& entry : file.entries()) {
    std::string whole(entry.bytes, '\0'), blocks(entry.bytes, '\0');
    if (!file.ReadRange(entry, 0, whole.data(), entry.bytes).ok()) return "a tensor cannot be read";
    if (whole != bytes.substr(entry.offset, entry.bytes)) return "a tensor reads differently from the file";
    for (int64_t i = 0; i < entry.bytes; i += kBlock) {
      const int64_t n = std::min(kBlock, entry.bytes - i);
      if (!file.ReadRange(entry, i, &blocks[i], n).ok()) return "a block cannot be read";
    }
    if (whole != blocks) return "blocks read differently from the whole";
    char byte;
    if (file.ReadRange(entry, entry.bytes, &byte, 1).ok()) return "reading goes past the end of a tensor";
  }
  return "";
}

std::string BrokenRewriting(const TensorFile& file, const std::string& name) {
  TensorTable written{file.entries(), file.metadata()};
  std::string bytes;
  const bool npy = file.format() == FileFormat::kNpy;
  const Status status = npy ? EncodeNpy(name, &written, &bytes) : EncodeSafetensors(name, &written, &bytes);
  if (!status.ok()) return "cannot be written again: " + status.message();
  for (const TensorEntry& entry : written.entries) bytes.append(entry.bytes, '\0');
  std::unique_ptr<TensorFile> again;
  const Status reread = TensorFile::Open(FromMemory(name, bytes), &again);
  if (!reread.ok()) return "cannot be read again: " + reread.message();
  if (again->metadata() != written.metadata) return "metadata change";
  if (again->entries().size() != written.entries.size()) return "the number of tensors changes";
  for (const TensorEntry& entry : written.entries) {
    const TensorEntry* const found = again->Find(entry.name);
    if (found == nullptr || *found != entry) return "a tensor changes";
  }
  return "";
}

}  // namespace

Verdict Examine(const std::string& name, const std::string& bytes) {
  std::unique_ptr<TensorFile> file;
  const Status status = TensorFile::Open(FromMemory(name, bytes), &file);
  if (!status.ok()) return {status.message(), BrokenError(name, status)};
  std::string outcome = "ok:";
  for (const TensorEntry& entry : file->entries()) {
    outcome += fmt::format(" {} {} '{}'", Name(entry.type), ShapeText(entry.shape), Printable(entry.name));
  }
  for (const auto& [key, value] : file->metadata()) {
    outcome += fmt::format(" '{}'='{}'", Printable(key), Printable(value));
  }
  std::string broken = BrokenLayout(*file);
  if (broken.empty()) broken = BrokenReading(*file, bytes);
  if (broken.empty()) broken = BrokenRewriting(*file, name);
  return {outcome, broken};
}

}  // namespace kvant::cli
