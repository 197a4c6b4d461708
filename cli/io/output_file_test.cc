#include "cli/io/output_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "cli/io/test_util.h"

namespace kvant::cli {
namespace {

using Names = std::vector<std::string>;

std::unique_ptr<OutputFile> Created(const std::string& path) {
  std::unique_ptr<OutputFile> file;
  const Status status = OutputFile::Create(path, &file);
  EXPECT_TRUE(status.ok()) << status.message();
  return file;
}

std::string CreateError(const std::string& path) {
  std::unique_ptr<OutputFile> file;
  const Status status = OutputFile::Create(path, &file);
  EXPECT_EQ(file, nullptr);
  return status.message();
}

bool Write(OutputFile* file, std::string_view text, int64_t offset = 0) {
  return file->Write(offset, text.data(), static_cast<int64_t>(text.size())).ok();
}

mode_t ModeOf(const std::string& path) {
  struct stat info = {};
  EXPECT_EQ(lstat(path.c_str(), &info), 0);
  return info.st_mode;
}

// Runs `body` in a child process, and there `act` once a byte comes through the pipe; the child's wait status.
int InChild(const std::function<void(int ready)>& body, const std::function<void(pid_t)>& act) {
  int ready[2];
  EXPECT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(ready[0]);
    body(ready[1]);
    _exit(99);
  }
  close(ready[1]);
  char byte;
  EXPECT_EQ(read(ready[0], &byte, 1), 1);
  act(child);
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  close(ready[0]);
  return status;
}

TEST(OutputFile, AppearsOnCommitAndNotBefore) {
  const TempDir dir;
  const std::unique_ptr<OutputFile> file = Created(dir / "out");
  EXPECT_TRUE(Write(file.get(), "world", 6));
  EXPECT_TRUE(Write(file.get(), "hello "));
  ASSERT_EQ(dir.List().size(), 1u);
  EXPECT_EQ(dir.List()[0].rfind(".kvant-", 0), 0u);
  ASSERT_TRUE(file->Commit().ok());
  EXPECT_EQ(dir.List(), Names{"out"});
  EXPECT_EQ(ReadBytes(dir / "out"), "hello world");
}

TEST(OutputFile, LeavesTheOldFileUntilCommit) {
  const TempDir dir;
  WriteBytes(dir / "out", "old");
  {
    const std::unique_ptr<OutputFile> file = Created(dir / "out");
    EXPECT_TRUE(Write(file.get(), "new"));
    EXPECT_EQ(ReadBytes(dir / "out"), "old");
  }
  EXPECT_EQ(dir.List(), Names{"out"});
  EXPECT_EQ(ReadBytes(dir / "out"), "old");
  const std::unique_ptr<OutputFile> file = Created(dir / "out");
  EXPECT_TRUE(Write(file.get(), "new"));
  ASSERT_TRUE(file->Commit().ok());
  EXPECT_EQ(ReadBytes(dir / "out"), "new");
}

TEST(OutputFile, WritesInTheCurrentFolder) {
  const TempDir dir;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(dir / "");
  const std::unique_ptr<OutputFile> file = Created("out");
  EXPECT_TRUE(Write(file.get(), "x"));
  EXPECT_TRUE(file->Commit().ok());
  std::filesystem::current_path(before);
  EXPECT_EQ(dir.List(), Names{"out"});
}

TEST(OutputFile, GivesNewFilesTheUsualPermissionsAndKeepsThoseOfOldOnes) {
  const TempDir dir;
  const mode_t before = umask(027);
  EXPECT_TRUE(Created(dir / "new")->Commit().ok());
  WriteBytes(dir / "old", "");
  ASSERT_EQ(chmod((dir / "old").c_str(), 0604), 0);
  EXPECT_TRUE(Created(dir / "old")->Commit().ok());
  umask(before);
  EXPECT_EQ(ModeOf(dir / "new"), S_IFREG | 0640u);
  EXPECT_EQ(ModeOf(dir / "old"), S_IFREG | 0604u);
}

TEST(OutputFile, FollowsSymbolicLinks) {
  const TempDir dir;
  std::filesystem::create_directory(dir / "real");
  WriteBytes(dir / "real/file", "old");
  std::filesystem::create_symlink("real/file", dir / "link");
  const std::unique_ptr<OutputFile> file = Created(dir / "link");
  EXPECT_TRUE(Write(file.get(), "new"));
  ASSERT_TRUE(file->Commit().ok());
  EXPECT_TRUE(S_ISLNK(ModeOf(dir / "link")));
  EXPECT_EQ(ReadBytes(dir / "real/file"), "new");

  std::filesystem::create_symlink("nowhere", dir / "dangling");
  EXPECT_EQ(CreateError(dir / "dangling"), dir / "dangling" + ": points to nowhere, which does not exist");
  std::filesystem::create_symlink("loop", dir / "loop");
  EXPECT_EQ(CreateError(dir / "loop").rfind(dir / "loop" + ": cannot follow this symbolic link: ", 0), 0u);
}

TEST(OutputFile, RefusesTargetsThatARenameMustNotReplace) {
  const TempDir dir;
  EXPECT_EQ(CreateError(dir / ""), dir / "" + ": is a directory, not a file");
  ASSERT_EQ(mkfifo((dir / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(CreateError(dir / "pipe"), dir / "pipe" + ": is not a regular file");
  EXPECT_EQ(CreateError("/dev/null"), "/dev/null: is not a regular file");
  EXPECT_EQ(CreateError(dir / "no/out"), dir / "no/out" + ": cannot create: No such file or directory");
  const std::string longest(255, 'x');
  EXPECT_NE(Created(dir / longest), nullptr);
  EXPECT_EQ(CreateError(dir / (longest + "x")), dir / (longest + "x") + ": cannot create: File name too long");
  EXPECT_EQ(dir.List(), Names{"pipe"});
}

TEST(OutputFile, ReservesSpaceOfZeros) {
  const TempDir dir;
  const std::unique_ptr<OutputFile> file = Created(dir / "out");
  ASSERT_TRUE(file->Reserve(10).ok());
  EXPECT_TRUE(Write(file.get(), "x", 9));
  ASSERT_TRUE(file->Commit().ok());
  EXPECT_EQ(ReadBytes(dir / "out"), std::string(9, '\0') + "x");
}

TEST(OutputFile, ReportsWhatTheSystemRefusesAndLeavesNothing) {
  const TempDir dir;
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  Status reserve, write;
  {
    const std::unique_ptr<OutputFile> file = Created(dir / "out");
    reserve = file->Reserve(5000);
    const std::string block(8192, 'x');
    write = file->Write(0, block.data(), 8192);
  }
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  EXPECT_EQ(reserve.message(), dir / "out" + ": cannot take 5000 bytes: File too large");
  EXPECT_EQ(reserve.code(), StatusCode::kUnavailable);
  EXPECT_EQ(write.message(), dir / "out" + ": cannot write at byte 4096: File too large");
  EXPECT_EQ(dir.List(), Names{});
}

TEST(OutputFile, ReportsAFailedRenameAndLeavesNothing) {
  const TempDir dir;
  {
    const std::unique_ptr<OutputFile> file = Created(dir / "out");
    std::filesystem::create_directory(dir / "out");
    EXPECT_EQ(file->Commit().message(), dir / "out" + ": cannot replace: Is a directory");
  }
  EXPECT_EQ(dir.List(), Names{"out"});
}

TEST(OutputFile, LeavesNothingWhenASignalEndsTheProcess) {
  constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGALRM, SIGVTALRM, SIGUSR1, SIGUSR2};
  for (const int signal : kSignals) {
    const TempDir dir;
    WriteBytes(dir / "b", "old");
    Names during;
    const int status = InChild(
        [&](int ready) {
          for (const int s : kSignals) ::signal(s, SIG_DFL);
          const std::unique_ptr<OutputFile> a = Created(dir / "a"), b = Created(dir / "b"),
                                            done = Created(dir / "done");
          Write(a.get(), "half");
          (void)done->Commit();
          (void)write(ready, "x", 1);
          while (true) pause();
        },
        [&](pid_t child) {
          during = dir.List();
          kill(child, signal);
        });
    EXPECT_TRUE(WIFSIGNALED(status)) << status;
    EXPECT_EQ(WTERMSIG(status), signal);  // a shell sees that it was interrupted
    EXPECT_EQ(during.size(), 4u);
    EXPECT_EQ(dir.List(), (Names{"b", "done"}));
    EXPECT_EQ(ReadBytes(dir / "b"), "old");
  }
}

TEST(OutputFile, LeavesNothingWhenTheProcessExits) {
  const TempDir dir;
  Names during;
  const int status = InChild(
      [&](int ready) {
        const std::unique_ptr<OutputFile> a = Created(dir / "a"), b = Created(dir / "b");
        during = dir.List();
        (void)write(ready, during.size() == 2 ? "x" : "", 1);
        exit(3);  // as a library may do: destructors of this stack do not run
      },
      [](pid_t) {});
  EXPECT_EQ(WEXITSTATUS(status), 3);
  EXPECT_EQ(dir.List(), Names{});
}

TEST(OutputFile, LeavesIgnoredSignalsIgnored) {
  const TempDir dir;
  const int status = InChild(
      [&](int ready) {
        signal(SIGHUP, SIG_IGN);  // as nohup does
        signal(SIGTERM, SIG_DFL);
        const std::unique_ptr<OutputFile> file = Created(dir / "out");
        (void)write(ready, "x", 1);
        raise(SIGHUP);
        Write(file.get(), "all");
        _exit(file->Commit().ok() ? 0 : 1);
      },
      [](pid_t) {});
  EXPECT_EQ(status, 0);
  EXPECT_EQ(ReadBytes(dir / "out"), "all");
}

TEST(OutputFile, TakesManyFilesAtOnceAndRefusesTooMany) {
  const TempDir dir;
  std::vector<std::unique_ptr<OutputFile>> files;
  for (int i = 0; i < 64; ++i) files.push_back(Created(dir / "out"));
  EXPECT_EQ(CreateError(dir / "out"), dir / "out" + ": cannot create: Too many open files");
  files.pop_back();
  files.push_back(Created(dir / "out"));
  EXPECT_EQ(dir.List().size(), 64u);
  files.clear();
  EXPECT_EQ(dir.List(), Names{});
}

}  // namespace
}  // namespace kvant::cli
