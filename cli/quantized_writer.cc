#include "cli/quantized_writer.h"

#include <unistd.h>

#include <filesystem>
#include <set>

#include "cli/common.h"
#include "cli/io/message.h"

namespace kvant::cli {

Status QuantizedWriter::Create(const std::string& path, const std::vector<std::string>& read,
                               std::vector<OutputTensor> tensors, Metadata metadata,
                               std::unique_ptr<QuantizedWriter>* writer) {
  std::unique_ptr<QuantizedWriter> created(new QuantizedWriter);
  created->tensors_ = std::move(tensors);
  std::set<std::string> names;
  for (OutputTensor& tensor : created->tensors_) {
    std::vector<std::string> wanted = {tensor.name};
    if (tensor.quantized) {
      QuantInfo& info = *tensor.quantized;
      info.scale = tensor.name + ".scale";
      if (!info.offset.empty()) info.offset = tensor.name + ".offset";
      tensor.type = ToElementType(StorageType(info.format));
      tensor.shape = CodeShape(info);
      for (std::string& name : ParamNames(info)) wanted.push_back(std::move(name));
    }
    for (const std::string& name : wanted) {
      if (!names.insert(name).second) {
        return FileError(Printable(path), "would have two tensors named '{}'; leave one out (--only, --except)",
                         Printable(name));
      }
    }
  }
  KVANT_RETURN_IF_ERROR(path.ends_with(".npy") ? created->CreateNpy(path)
                                               : created->CreateSafetensors(path, std::move(metadata)));
  // Nothing has its name yet.
  KVANT_RETURN_IF_ERROR(CheckOutputs(read, created->files_));
  *writer = std::move(created);
  return {};
}

Status QuantizedWriter::CreateSafetensors(const std::string& path, Metadata metadata) {
  TensorTable table;
  for (const OutputTensor& tensor : tensors_) {
    table.entries.push_back({tensor.name, tensor.type, tensor.shape});
    if (!tensor.quantized) continue;
    const QuantInfo& info = *tensor.quantized;
    table.entries.push_back({info.scale, ElementType::kF32, ParamShape(info)});
    if (!info.offset.empty()) table.entries.push_back({info.offset, ElementType::kF32, ParamShape(info)});
    metadata[std::string(kQuantInfoPrefix) + tensor.name] = FormatQuantInfo(info);
  }
  table.metadata = std::move(metadata);
  files_.push_back(path);
  KVANT_RETURN_IF_ERROR(TensorFileWriter::Create(path, std::move(table), &writers_.emplace_back()));
  size_t next = 0;
  for (OutputTensor& tensor : tensors_) {
    tensor.data = {writers_[0].get(), next++};
    if (!tensor.quantized) continue;
    tensor.scale = {writers_[0].get(), next++};
    if (!tensor.quantized->offset.empty()) tensor.offset = {writers_[0].get(), next++};
  }
  return {};
}

Status QuantizedWriter::CreateNpy(const std::string& path) {
  if (tensors_.size() != 1) {
    return FileError(Printable(path), "a .npy file holds one tensor, this would be {}; choose one with --tensor",
                     tensors_.size());
  }
  OutputTensor& tensor = tensors_[0];
  const auto create = [&](const std::string& file, ElementType type, const std::vector<int64_t>& shape, Sink* sink) {
    TensorTable table;
    table.entries.push_back({std::filesystem::path(file).stem().string(), type, shape});
    files_.push_back(file);
    KVANT_RETURN_IF_ERROR(TensorFileWriter::Create(file, std::move(table), &writers_.emplace_back()));
    *sink = {writers_.back().get(), 0};
    return Status();
  };
  const std::string sidecar = NpyCompanion(path, ".kvant.json");
  const bool bytes = tensor.quantized && Info(tensor.type).npy.empty();
  KVANT_RETURN_IF_ERROR(create(path, bytes ? ElementType::kU8 : tensor.type, tensor.shape, &tensor.data));
  files_.push_back(sidecar);
  if (!tensor.quantized) {
    old_sidecar_ = sidecar;
    return {};
  }
  QuantInfo& info = *tensor.quantized;
  const std::vector<int64_t> shape = ParamShape(info);
  const auto companion = [&](std::string_view ending, std::string* name, Sink* sink) {
    const std::string file = NpyCompanion(path, ending);
    *name = std::filesystem::path(file).stem().string();
    return create(file, ElementType::kF32, shape, sink);
  };
  KVANT_RETURN_IF_ERROR(companion(".scale.npy", &info.scale, &tensor.scale));
  if (!info.offset.empty()) KVANT_RETURN_IF_ERROR(companion(".offset.npy", &info.offset, &tensor.offset));
  KVANT_RETURN_IF_ERROR(OutputFile::Create(sidecar, &sidecar_));
  const std::string text = FormatQuantInfo(info) + "\n";
  return sidecar_->Write(0, text.data(), static_cast<int64_t>(text.size()));
}

int64_t QuantizedWriter::file_bytes() const {
  int64_t bytes = 0;
  for (const auto& writer : writers_) bytes += writer->file_bytes();
  return bytes;
}

Status QuantizedWriter::Commit() {
  for (const auto& writer : writers_) KVANT_RETURN_IF_ERROR(writer->Commit());
  if (sidecar_ != nullptr) return sidecar_->Commit();
  // What an earlier x.npy said about itself does not hold for this one.
  if (!old_sidecar_.empty()) unlink(old_sidecar_.c_str());
  return {};
}

}  // namespace kvant::cli
