#include "cli/io/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "cli/io/message.h"

namespace kvant::cli {
namespace {

// One read call of Linux moves at most 0x7ffff000 bytes.
constexpr int64_t kMaxRead = int64_t{1} << 30;

class FileSource : public ByteSource {
 public:
  FileSource(std::string name, int fd, int64_t size) : ByteSource(std::move(name), size), fd_(fd) {}
  ~FileSource() override { close(fd_); }

 private:
  Status ReadInside(int64_t offset, char* dst, int64_t n) const override {
    while (n > 0) {
      const ssize_t got = pread(fd_, dst, static_cast<size_t>(std::min(n, kMaxRead)), offset);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return SystemError(name(), fmt::format("cannot read at byte {}", offset), errno);
      if (got == 0) {
        return Status::Unavailable(
            fmt::format("{}: had {} bytes when it was opened but now ends at byte {}", name(), size(), offset));
      }
      dst += got;
      offset += got;
      n -= got;
    }
    return {};
  }

  int fd_;
};

class MemorySource : public ByteSource {
 public:
  MemorySource(std::string name, std::string bytes)
      : ByteSource(std::move(name), static_cast<int64_t>(bytes.size())), bytes_(std::move(bytes)) {}

 private:
  Status ReadInside(int64_t offset, char* dst, int64_t n) const override {
    std::memcpy(dst, bytes_.data() + offset, static_cast<size_t>(n));
    return {};
  }

  std::string bytes_;
};

}  // namespace

Status ByteSource::Read(int64_t offset, void* dst, int64_t n) const {
  if (offset < 0 || n < 0 || offset > size_ || n > size_ - offset) {
    return Status::OutOfRange(
        fmt::format("{}: {} bytes at byte {} are not inside the file, which has {}", name_, n, offset, size_));
  }
  if (n == 0) return {};
  return ReadInside(offset, static_cast<char*>(dst), n);
}

Status OpenFile(const std::string& path, std::unique_ptr<ByteSource>* source) {
  const std::string name = PrintablePath(path);
  // Not blocking: opening a pipe must not wait for a writer.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return SystemError(name, "cannot open", errno);
  struct stat info;
  if (fstat(fd, &info) != 0) {
    const int error = errno;
    close(fd);
    return SystemError(name, "cannot open", error);
  }
  if (!S_ISREG(info.st_mode)) {
    close(fd);
    return FileError(name, "{}", S_ISDIR(info.st_mode) ? "is a directory, not a file" : "is not a regular file");
  }
#ifdef POSIX_FADV_SEQUENTIAL
  posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
#endif
  *source = std::make_unique<FileSource>(name, fd, info.st_size);
  return {};
}

std::unique_ptr<ByteSource> FromMemory(std::string name, std::string bytes) {
  return std::make_unique<MemorySource>(std::move(name), std::move(bytes));
}

}  // namespace kvant::cli
