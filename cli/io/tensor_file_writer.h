// Writing tensor files of any format, tensor by tensor or piece by piece in any order.
#ifndef CLI_IO_TENSOR_FILE_WRITER_H_
#define CLI_IO_TENSOR_FILE_WRITER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cli/io/output_file.h"
#include "cli/io/tensor_table.h"

namespace kvant::cli {

// A file in the making: all names, types and shapes are known at the start, the header is written first, and the data
// follow at fixed places. Nothing appears under the file's name before Commit().
class TensorFileWriter {
 public:
  // The extension decides the format: .safetensors or .npy. Of the table's entries name, type and shape count.
  static Status Create(const std::string& path, TensorTable table, std::unique_ptr<TensorFileWriter>* writer);

  const std::string& name() const { return file_->name(); }

  // As given, with bytes and offset filled in.
  const std::vector<TensorEntry>& entries() const { return table_.entries; }
  int64_t file_bytes() const { return file_bytes_; }

  // Writes bytes [begin, begin + n) of entries()[tensor]. Any thread may call it. Fails with kOutOfRange where that is
  // not inside the tensor or has been written before, with kUnavailable where the system cannot write. After a failure
  // the file cannot be committed.
  Status WriteRange(size_t tensor, int64_t begin, const void* src, int64_t n);

  // Makes the file appear. Fails with kInvalidValue if a byte of a tensor has not been written: a file is never
  // complete by accident. The last call.
  Status Commit();

 private:
  TensorFileWriter() = default;
  Status TryWriteRange(size_t tensor, int64_t begin, const void* src, int64_t n);

  std::unique_ptr<OutputFile> file_;
  TensorTable table_;
  int64_t file_bytes_ = 0;
  std::mutex mutex_;
  Status first_error_;
  std::vector<std::map<int64_t, int64_t>> written_;  // per tensor: begin -> end, neighbours merged
};

}  // namespace kvant::cli

#endif  // CLI_IO_TENSOR_FILE_WRITER_H_
