// Reading tensor files of any format, all or piece by piece.
#ifndef CLI_IO_TENSOR_FILE_H_
#define CLI_IO_TENSOR_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/io/byte_source.h"
#include "cli/io/tensor_table.h"

namespace kvant::cli {

enum class FileFormat : uint8_t { kSafetensors, kNpy };

// An open file whose header has been checked. Holds the header in memory and nothing of the data, so that tensors
// larger than memory can be read in blocks. Errors are one line that begins with the file.
class TensorFile {
 public:
  // The content decides the format, and the extension .npy where the content does not say .npy. The tensor of x.npy is
  // named "x". Fails as ReadSafetensors and ReadNpy say, and with kOutOfMemory for a header that memory cannot hold.
  static Status Open(const std::string& path, std::unique_ptr<TensorFile>* file);
  // The same for any bytes; the source's name is the path.
  static Status Open(std::unique_ptr<ByteSource> source, std::unique_ptr<TensorFile>* file);

  const std::string& name() const { return source_->name(); }
  FileFormat format() const { return format_; }
  int64_t file_bytes() const { return source_->size(); }

  // In the order of their data, which is the fastest order to read them in.
  const std::vector<TensorEntry>& entries() const { return table_.entries; }
  const Metadata& metadata() const { return table_.metadata; }

  // Null if there is no tensor of that name.
  const TensorEntry* Find(std::string_view tensor) const;

  // Copies bytes [begin, begin + n) of a tensor of this file to `dst`. Any thread may call it. Fails with kOutOfRange
  // where that is not inside the tensor, with kUnavailable where the system cannot read.
  Status ReadRange(const TensorEntry& entry, int64_t begin, void* dst, int64_t n) const;

 private:
  TensorFile() = default;
  static Status Open(std::unique_ptr<ByteSource> source, const std::string& path, std::unique_ptr<TensorFile>* file);

  std::unique_ptr<ByteSource> source_;
  FileFormat format_ = FileFormat::kSafetensors;
  TensorTable table_;
  std::vector<size_t> by_name_;  // entries' positions, sorted by name
};

}  // namespace kvant::cli

#endif  // CLI_IO_TENSOR_FILE_H_
