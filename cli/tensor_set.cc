#include "cli/tensor_set.h"

#include <unistd.h>

#include <filesystem>

#include "cli/io/message.h"

namespace kvant::cli {
namespace {

namespace fs = std::filesystem;

// More than any description needs: what is longer is not one.
constexpr int64_t kMaxSidecar = 1'000'000;

bool StoresCodes(Format format, ElementType type) {
  const auto dtype = ToDType(type);
  // INT4 in files is bytes; int32 words are a matter of operators.
  return dtype && *dtype != DType::kInt32 && StorageAllowed(format, *dtype);
}

}  // namespace

std::string NpyCompanion(const std::string& path, std::string_view ending) {
  const std::string stem = path.ends_with(".npy") ? path.substr(0, path.size() - 4) : path;
  return stem + std::string(ending);
}

Status TensorSet::Open(const std::string& path, std::unique_ptr<TensorSet>* set) {
  std::unique_ptr<TensorSet> opened(new TensorSet);
  KVANT_RETURN_IF_ERROR(TensorFile::Open(path, &opened->file_));
  opened->paths_.push_back(path);
  if (opened->file_->format() == FileFormat::kNpy) {
    KVANT_RETURN_IF_ERROR(opened->AddFromSidecar(path));
  } else {
    KVANT_RETURN_IF_ERROR(opened->AddFromMetadata());
  }
  *set = std::move(opened);
  return {};
}

Status TensorSet::AddFromMetadata() {
  const TensorFile& file = *file_;
  for (auto it = file.metadata().lower_bound(kQuantInfoPrefix);
       it != file.metadata().end() && it->first.starts_with(kQuantInfoPrefix); ++it) {
    const std::string name = it->first.substr(kQuantInfoPrefix.size());
    QuantizedTensor quantized;
    if (const Status status = ParseQuantInfo(it->second, &quantized.info); !status.ok()) {
      return TensorError(file.name(), name, "its metadata '{}': {}", Printable(it->first), status.message());
    }
    const auto locate = [&](const std::string& tensor) { return Located{&file, file.Find(tensor)}; };
    quantized.codes = locate(name);
    quantized.scale = locate(quantized.info.scale);
    if (!quantized.info.offset.empty()) quantized.offset = locate(quantized.info.offset);
    KVANT_RETURN_IF_ERROR(Check(file.name(), name, quantized));
    for (std::string& param : ParamNames(quantized.info)) params_.emplace(std::move(param), name);
    quantized_.emplace(name, std::move(quantized));
  }
  return {};
}

Status TensorSet::AddFromSidecar(const std::string& path) {
  const std::string sidecar = NpyCompanion(path, ".kvant.json");
  std::error_code error;
  if (!fs::exists(sidecar, error)) return {};
  std::unique_ptr<ByteSource> source;
  KVANT_RETURN_IF_ERROR(OpenFile(sidecar, &source));
  paths_.push_back(sidecar);
  if (source->size() > kMaxSidecar) return FileError(source->name(), "is too large to describe a tensor");
  std::string text(static_cast<size_t>(source->size()), '\0');
  KVANT_RETURN_IF_ERROR(source->Read(0, text.data(), source->size()));

  QuantizedTensor quantized;
  if (const Status status = ParseQuantInfo(text, &quantized.info); !status.ok()) {
    return FileError(source->name(), "{}", status.message());
  }
  const auto open = [&](std::string_view ending, std::unique_ptr<TensorFile>* file, Located* where) {
    KVANT_RETURN_IF_ERROR(TensorFile::Open(paths_.emplace_back(NpyCompanion(path, ending)), file));
    *where = {file->get(), (*file)->entries().data()};
    return Status();
  };
  KVANT_RETURN_IF_ERROR(open(".scale.npy", &scale_file_, &quantized.scale));
  if (!quantized.info.offset.empty()) KVANT_RETURN_IF_ERROR(open(".offset.npy", &offset_file_, &quantized.offset));
  quantized.codes = {file_.get(), file_->entries().data()};
  const std::string& name = quantized.codes.entry->name;
  if (const Status status = Check(source->name(), name, quantized); !status.ok()) {
    return Status(status.code(), fmt::format("{}; delete {} if {} is not what kvant wrote", status.message(),
                                             source->name(), file_->name()));
  }
  quantized_.emplace(name, std::move(quantized));
  return {};
}

int64_t TensorSet::file_bytes() const {
  int64_t bytes = 0;
  for (const auto* file : {&file_, &scale_file_, &offset_file_}) {
    if (*file != nullptr) bytes += (*file)->file_bytes();
  }
  return bytes;
}

Status TensorSet::Check(std::string_view file, std::string_view tensor, const QuantizedTensor& quantized) const {
  const QuantInfo& info = quantized.info;
  const TensorEntry* const codes = quantized.codes.entry;
  if (codes == nullptr) return TensorError(file, tensor, "metadata describe it, but the file does not have it");
  if (!StoresCodes(info.format, codes->type)) {
    return TensorError(file, tensor, "is {}, which does not hold codes of {}", Name(codes->type), Name(info.format));
  }
  if (codes->shape != CodeShape(info)) {
    return TensorError(file, tensor, "has shape {}, but its metadata say {} of {}", ShapeText(codes->shape),
                       Name(info.format), ShapeText(info.shape));
  }
  const auto check_param = [&](const TensorEntry* entry, const std::string& name, const char* what) {
    if (entry == nullptr) return TensorError(file, tensor, "its {} '{}' is missing", what, Printable(name));
    if (entry->type != ElementType::kF32 || entry->shape != ParamShape(info)) {
      return TensorError(file, tensor, "its {} '{}' is {} {}, expected F32 {}", what, Printable(name),
                         Name(entry->type), ShapeText(entry->shape), ShapeText(ParamShape(info)));
    }
    return Status();
  };
  KVANT_RETURN_IF_ERROR(check_param(quantized.scale.entry, info.scale, "scale"));
  return info.offset.empty() ? Status() : check_param(quantized.offset.entry, info.offset, "offset");
}

const QuantizedTensor* TensorSet::FindQuantized(std::string_view name) const {
  const auto it = quantized_.find(name);
  return it == quantized_.end() ? nullptr : &it->second;
}

std::string TensorSet::SmoothOf(std::string_view name) const {
  const QuantizedTensor* const quantized = FindQuantized(name);
  return quantized != nullptr ? quantized->info.smooth : "";
}

const std::vector<int64_t>& TensorSet::ShapeOf(const TensorEntry& entry) const {
  const QuantizedTensor* const quantized = FindQuantized(entry.name);
  return quantized != nullptr ? quantized->info.shape : entry.shape;
}

Status LoadTensor(const TensorFile& file, const std::string& name, LoadedTensor* tensor) {
  const TensorFile* from = &file;
  const TensorEntry* entry = file.Find(name);
  std::unique_ptr<TensorFile> other;
  std::error_code error;
  const size_t colon = name.rfind(':');
  if (entry == nullptr && fs::is_regular_file(name, error)) {
    KVANT_RETURN_IF_ERROR(TensorFile::Open(name, &other));
    tensor->path = name;
    if (other->entries().size() != 1) {
      return FileError(other->name(), "has {} tensors; say which: {}:NAME", other->entries().size(), other->name());
    }
    entry = other->entries().data();
  } else if (entry == nullptr && colon != std::string::npos) {
    tensor->path = name.substr(0, colon);
    KVANT_RETURN_IF_ERROR(TensorFile::Open(tensor->path, &other));
    entry = other->Find(name.substr(colon + 1));
    if (entry == nullptr) return FileError(other->name(), "has no tensor '{}'", Printable(name.substr(colon + 1)));
  }
  if (entry == nullptr) return FileError(file.name(), "has no tensor '{}'", Printable(name));
  if (other != nullptr) from = other.get();
  const auto dtype = ToDType(entry->type);
  if (!dtype)
    return TensorError(from->name(), entry->name, "is {}, which kvant cannot compute with", Name(entry->type));
  if (entry->shape.size() > kMaxRank) {
    return TensorError(from->name(), entry->name, "has more than {} dimensions", kMaxRank);
  }
  tensor->data.Resize(entry->bytes);
  tensor->view = ConstTensorView(tensor->data.data(), *dtype, entry->shape);
  tensor->name = entry->name;
  return from->ReadRange(*entry, 0, tensor->data.data(), entry->bytes);
}

}  // namespace kvant::cli
