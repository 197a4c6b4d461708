// Files that appear under their name when they are complete, or not at all.
#ifndef CLI_IO_OUTPUT_FILE_H_
#define CLI_IO_OUTPUT_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "kvant/core/status.h"

namespace kvant::cli {

// Writes to a temporary file beside the target. Commit() makes it durable and renames it over the target; until then
// the target is as it was. The temporary file is removed on destruction, by exit() and when a signal from outside ends
// the process (SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGALRM, SIGVTALRM, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ;
// handlers are installed where the disposition is the default one when a file is created).
class OutputFile {
 public:
  // A target that is a symbolic link stays one: the file it leads to is replaced. Permissions of a replaced file are
  // kept. Fails with kInvalidValue if the target is a directory, a device, a pipe or a link to nothing, with
  // kUnavailable if the temporary file cannot be made or the file system does not take the target's name.
  static Status Create(const std::string& path, std::unique_ptr<OutputFile>* file);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // The printable name that error messages begin with.
  const std::string& name() const { return name_; }

  // Sets the size and takes the space from the file system at once where it can promise it, so that a full disk shows
  // before the work begins. Bytes never written read as 0.
  Status Reserve(int64_t size);

  // Writes are positioned and may come from several threads at once.
  Status Write(int64_t offset, const void* src, int64_t n);

  // The last call. After a failure the target is as it was.
  Status Commit();

 private:
  OutputFile() = default;

  std::string name_, target_, temporary_;
  int fd_ = -1;
  int cleanup_slot_ = -1;
};

}  // namespace kvant::cli

#endif  // CLI_IO_OUTPUT_FILE_H_
