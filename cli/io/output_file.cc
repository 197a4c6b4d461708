#include "cli/io/output_file.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "cli/io/message.h"

namespace kvant::cli {
namespace {

// One write call of Linux moves at most 0x7ffff000 bytes.
constexpr int64_t kMaxWrite = int64_t{1} << 30;

// Paths to remove when the process ends early. Whoever takes a path out of its slot, by exchange, owns it: a signal
// handler that runs beside the destructor neither reads freed memory nor removes another file.
std::atomic<char*> cleanup_paths[64];
static_assert(std::atomic<char*>::is_always_lock_free, "the signal handler may only use lock-free atomics");

char* Remove(std::atomic<char*>& slot) {
  char* const path = slot.exchange(nullptr);
  if (path != nullptr) unlink(path);
  return path;
}

void RemoveAll() {
  for (std::atomic<char*>& slot : cleanup_paths) Remove(slot);  // a signal handler may not free
}

void RemoveAtExit() {
  for (std::atomic<char*>& slot : cleanup_paths) free(Remove(slot));
}

void RemoveAndDie(int signal) {
  RemoveAll();
  // The disposition is the default one again (SA_RESETHAND); the signal is delivered when this handler returns.
  raise(signal);
}

void InstallHandlers() {
  // A library may call exit(): libgomp does where it cannot start a thread.
  [[maybe_unused]] static const int registered = std::atexit(RemoveAtExit);
  for (const int signal :
       {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGALRM, SIGVTALRM, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ}) {
    struct sigaction action;
    if (sigaction(signal, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) continue;
    std::memset(&action, 0, sizeof action);
    action.sa_handler = RemoveAndDie;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(signal, &action, nullptr);
  }
}

// -1 if every slot is taken.
int RemoveOnEnd(const std::string& path) {
  InstallHandlers();
  char* const copy = strdup(path.c_str());
  for (int i = 0; copy != nullptr && i < static_cast<int>(std::size(cleanup_paths)); ++i) {
    char* empty = nullptr;
    if (cleanup_paths[i].compare_exchange_strong(empty, copy)) return i;
  }
  free(copy);
  return -1;
}

void KeepOnEnd(int slot) { free(cleanup_paths[slot].exchange(nullptr)); }

// Follows symbolic links and refuses what a rename must not replace: /dev/null would become a regular file. `mode` is
// that of an existing file, else 0.
Status ResolveTarget(const std::string& name, std::string* target, mode_t* mode) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::is_symlink(*target, error)) {
    const fs::path followed = fs::canonical(*target, error);
    if (error == std::errc::no_such_file_or_directory) {
      const std::string to = fs::read_symlink(*target, error).string();
      return FileError(name, "points to {}, which does not exist", PrintablePath(to));
    }
    if (error) return SystemError(name, "cannot follow this symbolic link", error.value());
    *target = followed.string();
  }
  struct stat info;
  *mode = 0;
  // A name that is too long would otherwise show at the rename, after the work.
  if (stat(target->c_str(), &info) != 0) return errno == ENOENT ? Status() : SystemError(name, "cannot create", errno);
  if (S_ISDIR(info.st_mode)) return FileError(name, "is a directory, not a file");
  if (!S_ISREG(info.st_mode)) return FileError(name, "is not a regular file");
  *mode = info.st_mode & 0777;
  return {};
}

// The rename is durable when the folder is; not every file system can say, and the data are safe either way.
void SyncFolder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

}  // namespace

Status OutputFile::Create(const std::string& path, std::unique_ptr<OutputFile>* file) {
  std::unique_ptr<OutputFile> out(new OutputFile);
  out->name_ = PrintablePath(path);
  out->target_ = path;
  mode_t mode = 0;
  KVANT_RETURN_IF_ERROR(ResolveTarget(out->name_, &out->target_, &mode));

  static std::atomic<int> counter = 0;
  const std::string folder = FolderOf(out->target_);
  do {
    if (out->cleanup_slot_ >= 0) KeepOnEnd(out->cleanup_slot_);
    // A short name of its own: one derived from the target's could exceed the longest that file systems take.
    out->temporary_ = fmt::format("{}/.kvant-{}-{}.tmp", folder, getpid(), counter++);
    // Before the file exists, so that no signal can come between.
    out->cleanup_slot_ = RemoveOnEnd(out->temporary_);
    if (out->cleanup_slot_ < 0) return SystemError(out->name_, "cannot create", EMFILE);
    out->fd_ = open(out->temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (out->fd_ < 0 && errno == EEXIST);
  if (out->fd_ < 0) return SystemError(out->name_, "cannot create", errno);
  if (mode != 0 && fchmod(out->fd_, mode) != 0) return SystemError(out->name_, "cannot set permissions", errno);
  *file = std::move(out);
  return {};
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) {
    close(fd_);
    unlink(temporary_.c_str());
  }
  if (cleanup_slot_ >= 0) KeepOnEnd(cleanup_slot_);
}

Status OutputFile::Reserve(int64_t size) {
  const auto failed = [&] { return SystemError(name_, fmt::format("cannot take {} bytes", size), errno); };
#ifdef __linux__
  // Not posix_fallocate, which writes every block where the file system cannot reserve.
  while (size > 0 && fallocate(fd_, 0, 0, size) != 0 && errno != EOPNOTSUPP && errno != ENOSYS) {
    if (errno != EINTR) return failed();
  }
#endif
  if (ftruncate(fd_, size) != 0) return failed();
  return {};
}

Status OutputFile::Write(int64_t offset, const void* src, int64_t n) {
  const char* from = static_cast<const char*>(src);
  while (n > 0) {
    const ssize_t put = pwrite(fd_, from, static_cast<size_t>(std::min(n, kMaxWrite)), offset);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return SystemError(name_, fmt::format("cannot write at byte {}", offset), errno);
    from += put;
    offset += put;
    n -= put;
  }
  return {};
}

Status OutputFile::Commit() {
  if (fsync(fd_) != 0) return SystemError(name_, "cannot write", errno);
  if (rename(temporary_.c_str(), target_.c_str()) != 0) return SystemError(name_, "cannot replace", errno);
  close(fd_);
  fd_ = -1;
  SyncFolder(FolderOf(target_));
  return {};
}

}  // namespace kvant::cli
