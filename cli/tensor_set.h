// An input file together with what it says about its quantized tensors.
#ifndef CLI_TENSOR_SET_H_
#define CLI_TENSOR_SET_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/buffer.h"
#include "cli/io/tensor_file.h"
#include "cli/quant_info.h"
#include "kvant/core/tensor.h"

namespace kvant::cli {

// A tensor in an open file.
struct Located {
  const TensorFile* file = nullptr;
  const TensorEntry* entry = nullptr;
};

struct QuantizedTensor {
  QuantInfo info;
  Located codes, scale, offset;  // offset.entry is null for symmetric codes
};

// The files that belong to x.npy: {stem}.scale.npy and so on, in the same folder.
std::string NpyCompanion(const std::string& path, std::string_view ending);

class TensorSet {
 public:
  // Fails like TensorFile::Open, and with kInvalidValue where metadata and tensors do not fit together.
  static Status Open(const std::string& path, std::unique_ptr<TensorSet>* set);

  const TensorFile& file() const { return *file_; }

  // Null if that tensor is not codes.
  const QuantizedTensor* FindQuantized(std::string_view name) const;
  // Whether it is the scale or offset of a quantized tensor, and of which.
  bool IsParam(std::string_view name) const { return params_.contains(name); }
  const std::string& OwnerOf(std::string_view param) const { return params_.find(param)->second; }
  // The factors that codes were multiplied with before quantization; empty without, and for what is not codes.
  std::string SmoothOf(std::string_view name) const;
  // Logical shape: that of the real numbers which codes stand for.
  const std::vector<int64_t>& ShapeOf(const TensorEntry& entry) const;
  bool has_quantized() const { return !quantized_.empty(); }
  // What was opened: the file itself first, then what belongs to a .npy file. Bytes are of tensor files.
  const std::vector<std::string>& paths() const { return paths_; }
  int64_t file_bytes() const;

 private:
  Status AddFromMetadata();
  Status AddFromSidecar(const std::string& path);
  Status Check(std::string_view file, std::string_view tensor, const QuantizedTensor& quantized) const;

  std::unique_ptr<TensorFile> file_, scale_file_, offset_file_;
  std::map<std::string, QuantizedTensor, std::less<>> quantized_;
  std::map<std::string, std::string, std::less<>> params_;  // scales and offsets, and whose they are
  std::vector<std::string> paths_;
};

// A whole tensor in memory.
struct LoadedTensor {
  Buffer data;
  ConstTensorView view;
  std::string name, path;  // what it is called in its file, and that file where it is not the one given
};

// `name` is a tensor of `file`, or FILE:NAME, or FILE if that file has one tensor. Fails for types that kvant does not
// compute with.
Status LoadTensor(const TensorFile& file, const std::string& name, LoadedTensor* tensor);

}  // namespace kvant::cli

#endif  // CLI_TENSOR_SET_H_
