#include "cli/io/tensor_file.h"

#include <algorithm>
#include <filesystem>
#include <new>
#include <numeric>

#include "cli/io/message.h"
#include "cli/io/npy.h"
#include "cli/io/safetensors.h"

namespace kvant::cli {
namespace {

struct ForeignFormat {
  std::string_view magic, description;
};

// What people have instead, and would otherwise be told that its header length is absurd.
constexpr ForeignFormat kForeignFormats[] = {
    {"PK\x03\x04", "a zip archive (.npz or a PyTorch checkpoint)"},
    {"\x80\x02\x8a\x0a", "a Python pickle (an old PyTorch checkpoint)"},
    {"GGUF", "a GGUF file"},
    {"\x89HDF", "an HDF5 file"},
};

std::string Stem(const std::string& path) { return std::filesystem::path(path).stem().string(); }

}  // namespace

Status TensorFile::Open(const std::string& path, std::unique_ptr<TensorFile>* file) {
  std::unique_ptr<ByteSource> source;
  KVANT_RETURN_IF_ERROR(OpenFile(path, &source));
  return Open(std::move(source), path, file);
}

Status TensorFile::Open(std::unique_ptr<ByteSource> source, std::unique_ptr<TensorFile>* file) {
  const std::string name = source->name();
  return Open(std::move(source), name, file);
}

Status TensorFile::Open(std::unique_ptr<ByteSource> source, const std::string& path,
                        std::unique_ptr<TensorFile>* file) try {
  const std::string& name = source->name();
  std::string start(9, '\0');
  KVANT_RETURN_IF_ERROR(source->Read(0, start.data(), std::min<int64_t>(source->size(), 9)));

  std::unique_ptr<TensorFile> opened(new TensorFile);
  if (start.starts_with(kNpyMagic) || path.ends_with(".npy")) {
    opened->format_ = FileFormat::kNpy;
    KVANT_RETURN_IF_ERROR(ReadNpy(*source, Stem(path), &opened->table_));
  } else {
    // A safetensors header length can look like one of these, but then a brace follows it.
    for (const ForeignFormat& foreign : kForeignFormats) {
      if (start.starts_with(foreign.magic) && start[8] != '{') {
        return FileError(name, "is {}; kvant reads .safetensors and .npy", foreign.description);
      }
    }
    KVANT_RETURN_IF_ERROR(ReadSafetensors(*source, &opened->table_));
  }
  const std::vector<TensorEntry>& entries = opened->table_.entries;
  std::vector<size_t>& by_name = opened->by_name_;
  by_name.resize(entries.size());
  std::iota(by_name.begin(), by_name.end(), size_t{0});
  std::sort(by_name.begin(), by_name.end(), [&](size_t a, size_t b) { return entries[a].name < entries[b].name; });
  opened->source_ = std::move(source);
  *file = std::move(opened);
  return {};
} catch (const std::bad_alloc&) {
  return Status::OutOfMemory(fmt::format("{}: not enough memory for its header", source->name()));
}

const TensorEntry* TensorFile::Find(std::string_view tensor) const {
  const auto it = std::lower_bound(by_name_.begin(), by_name_.end(), tensor,
                                   [&](size_t i, std::string_view name) { return table_.entries[i].name < name; });
  return it == by_name_.end() || table_.entries[*it].name != tensor ? nullptr : &table_.entries[*it];
}

Status TensorFile::ReadRange(const TensorEntry& entry, int64_t begin, void* dst, int64_t n) const {
  if (begin < 0 || n < 0 || begin > entry.bytes || n > entry.bytes - begin) {
    return Status::OutOfRange(fmt::format("{}: tensor '{}': {} bytes at byte {} are not inside it; it has {}", name(),
                                          Printable(entry.name), n, begin, entry.bytes));
  }
  return source_->Read(entry.offset + begin, dst, n);
}

}  // namespace kvant::cli
