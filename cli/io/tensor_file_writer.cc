#include "cli/io/tensor_file_writer.h"

#include <algorithm>
#include <iterator>

#include "cli/io/message.h"
#include "cli/io/npy.h"
#include "cli/io/safetensors.h"

namespace kvant::cli {
namespace {

// Adds [begin, end), not empty, to disjoint ranges; false if it overlaps one of them.
bool AddRange(int64_t begin, int64_t end, std::map<int64_t, int64_t>* ranges) {
  auto next = ranges->lower_bound(begin);
  if (next != ranges->end() && next->first < end) return false;
  const bool joins_next = next != ranges->end() && next->first == end;
  if (next != ranges->begin()) {
    const auto previous = std::prev(next);
    if (previous->second > begin) return false;
    if (previous->second == begin) {
      previous->second = joins_next ? next->second : end;
      if (joins_next) ranges->erase(next);
      return true;
    }
  }
  const int64_t last = joins_next ? next->second : end;
  if (joins_next) ranges->erase(next);
  ranges->emplace(begin, last);
  return true;
}

}  // namespace

Status TensorFileWriter::Create(const std::string& path, TensorTable table, std::unique_ptr<TensorFileWriter>* writer) {
  const std::string name = PrintablePath(path);
  std::string header;
  if (path.ends_with(".safetensors")) {
    KVANT_RETURN_IF_ERROR(EncodeSafetensors(name, &table, &header));
  } else if (path.ends_with(".npy")) {
    KVANT_RETURN_IF_ERROR(EncodeNpy(name, &table, &header));
  } else {
    return FileError(name, "does not end in .safetensors or .npy, the formats that kvant writes");
  }
  std::unique_ptr<TensorFileWriter> out(new TensorFileWriter);
  out->table_ = std::move(table);
  out->written_.resize(out->entries().size());
  out->file_bytes_ = static_cast<int64_t>(header.size());
  for (const TensorEntry& entry : out->entries()) out->file_bytes_ += entry.bytes;
  KVANT_RETURN_IF_ERROR(OutputFile::Create(path, &out->file_));
  KVANT_RETURN_IF_ERROR(out->file_->Reserve(out->file_bytes_));
  KVANT_RETURN_IF_ERROR(out->file_->Write(0, header.data(), static_cast<int64_t>(header.size())));
  *writer = std::move(out);
  return {};
}

Status TensorFileWriter::WriteRange(size_t tensor, int64_t begin, const void* src, int64_t n) {
  Status status = TryWriteRange(tensor, begin, src, n);
  if (!status.ok()) {
    const std::lock_guard lock(mutex_);
    if (first_error_.ok()) first_error_ = status;
  }
  return status;
}

Status TensorFileWriter::TryWriteRange(size_t tensor, int64_t begin, const void* src, int64_t n) {
  const TensorEntry& entry = entries()[tensor];
  const auto fail = [&](std::string_view why) {
    return Status::OutOfRange(
        fmt::format("{}: tensor '{}': {} bytes at byte {} {}", name(), Printable(entry.name), n, begin, why));
  };
  if (begin < 0 || n < 0 || begin > entry.bytes || n > entry.bytes - begin) {
    return fail(fmt::format("are not inside it; it has {}", entry.bytes));
  }
  if (n == 0) return {};
  {
    const std::lock_guard lock(mutex_);
    if (!AddRange(begin, begin + n, &written_[tensor])) return fail("overlap bytes written before");
  }
  return file_->Write(entry.offset + begin, src, n);
}

Status TensorFileWriter::Commit() {
  KVANT_RETURN_IF_ERROR(first_error_);
  for (size_t i = 0; i < entries().size(); ++i) {
    int64_t written = 0;
    for (const auto& [begin, end] : written_[i]) written += end - begin;
    if (written != entries()[i].bytes) {
      return TensorError(name(), entries()[i].name, "{} of {} bytes have been written", written, entries()[i].bytes);
    }
  }
  return file_->Commit();
}

}  // namespace kvant::cli
