// Output files with quantized tensors in them: one .safetensors, or the .npy files of one tensor.
#ifndef CLI_QUANTIZED_WRITER_H_
#define CLI_QUANTIZED_WRITER_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/piece_io.h"
#include "cli/quant_info.h"

namespace kvant::cli {

// A tensor to write. For codes, `quantized` says what they are and type, shape, and the names of scale and offset
// follow from it; otherwise type and shape count.
struct OutputTensor {
  std::string name;
  ElementType type = ElementType::kF32;
  std::vector<int64_t> shape;
  std::optional<QuantInfo> quantized;
  Sink data, scale, offset;  // filled in by QuantizedWriter; scale and offset for codes only
};

class QuantizedWriter {
 public:
  // The extension decides the format. x.npy takes one tensor, without metadata; that of codes brings x.scale.npy,
  // x.offset.npy and x.kvant.json, and FP8 is stored as uint8, .npy having no type for it. Fails like
  // TensorFileWriter::Create, for two tensors of one name, and where one of the files is in `read`: those that the
  // tensors are made from.
  static Status Create(const std::string& path, const std::vector<std::string>& read, std::vector<OutputTensor> tensors,
                       Metadata metadata, std::unique_ptr<QuantizedWriter>* writer);

  // In the given order.
  const std::vector<OutputTensor>& tensors() const { return tensors_; }
  // Of all files.
  int64_t file_bytes() const;

  // Makes the files appear. Without codes in it, x.npy also loses the x.kvant.json that it had.
  Status Commit();

 private:
  Status CreateSafetensors(const std::string& path, Metadata metadata);
  Status CreateNpy(const std::string& path);

  std::vector<OutputTensor> tensors_;
  std::vector<std::unique_ptr<TensorFileWriter>> writers_;
  std::vector<std::string> files_;       // to be written or removed
  std::unique_ptr<OutputFile> sidecar_;  // x.kvant.json, of codes in .npy files
  std::string old_sidecar_;              // one to remove: it would be about other codes
};

}  // namespace kvant::cli

#endif  // CLI_QUANTIZED_WRITER_H_
