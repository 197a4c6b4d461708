// Random access to the bytes of a file, or of memory.
#ifndef CLI_IO_BYTE_SOURCE_H_
#define CLI_IO_BYTE_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "kvant/core/status.h"

namespace kvant::cli {

// Reads are positioned and may come from several threads at once. The size is that at opening time.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  // The printable name that error messages begin with.
  const std::string& name() const { return name_; }
  int64_t size() const { return size_; }

  // Copies bytes [offset, offset + n) to `dst`. Fails with kOutOfRange where they are not inside the source, and with
  // kUnavailable when the system cannot read them, also because the file was cut short since it was opened.
  Status Read(int64_t offset, void* dst, int64_t n) const;

 protected:
  ByteSource(std::string name, int64_t size) : name_(std::move(name)), size_(size) {}

 private:
  virtual Status ReadInside(int64_t offset, char* dst, int64_t n) const = 0;

  std::string name_;
  int64_t size_;
};

// Opens a regular file. It is read, not mapped: a file that shrinks while it is read is an error, not a SIGBUS. Fails
// with kUnavailable if it cannot be opened, and with kInvalidValue if it is a directory, a pipe or a device.
Status OpenFile(const std::string& path, std::unique_ptr<ByteSource>* source);

// Bytes that the source owns.
std::unique_ptr<ByteSource> FromMemory(std::string name, std::string bytes);

}  // namespace kvant::cli

#endif  // CLI_IO_BYTE_SOURCE_H_
