#include "cli/io/tensor_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "cli/io/safetensors.h"
#include "cli/io/test_util.h"

// Sanitizers need more address space than the limit of one test leaves.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KVANT_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define KVANT_TEST_SANITIZED 1
#endif
#endif

namespace kvant::cli {
namespace {

constexpr std::string_view kTwoTensors =
    R"({"__metadata__":{"k":"v"},"q":{"dtype":"F16","shape":[100,7],"data_offsets":[0,1400]},)"
    R"("a":{"dtype":"U8","shape":[33],"data_offsets":[1400,1433]}})";

std::unique_ptr<TensorFile> Opened(const std::string& path) {
  std::unique_ptr<TensorFile> file;
  const Status status = TensorFile::Open(path, &file);
  EXPECT_TRUE(status.ok()) << status.message();
  return file;
}

Status OpenStatus(const std::string& path) {
  std::unique_ptr<TensorFile> file;
  Status status = TensorFile::Open(path, &file);
  EXPECT_EQ(file != nullptr, status.ok());
  return status;
}

TEST(TensorFile, ReadsTensorsWholeAndInBlocks) {
  const TempDir dir;
  const std::string data = PatternBytes(1433), path = dir / "x.safetensors";
  WriteBytes(path, SafetensorsBytes(kTwoTensors, data));
  const std::unique_ptr<TensorFile> file = Opened(path);
  EXPECT_EQ(file->name(), path);
  EXPECT_EQ(file->format(), FileFormat::kSafetensors);
  EXPECT_EQ(file->file_bytes(), static_cast<int64_t>(8 + kTwoTensors.size() + data.size()));
  EXPECT_EQ(file->metadata(), (Metadata{{"k", "v"}}));
  ASSERT_EQ(file->entries().size(), 2u);
  const TensorEntry* const q = file->Find("q");
  ASSERT_EQ(q, &file->entries()[0]);
  ASSERT_EQ(file->Find("a"), &file->entries()[1]);
  EXPECT_EQ(file->Find(""), nullptr);
  EXPECT_EQ(file->Find("b"), nullptr);
  EXPECT_EQ(file->Find("z"), nullptr);

  for (const int64_t rows : {1, 3, 7, 100}) {
    std::string got(1400, '\0');
    for (int64_t row = 0; row < 100; row += rows) {
      const int64_t n = std::min(rows, 100 - row) * 14;
      ASSERT_TRUE(file->ReadRange(*q, row * 14, &got[row * 14], n).ok());
    }
    EXPECT_EQ(got, data.substr(0, 1400)) << rows;
  }
  std::string got(33, '\0');
  ASSERT_TRUE(file->ReadRange(*file->Find("a"), 0, got.data(), 33).ok());
  EXPECT_EQ(got, data.substr(1400));
}

TEST(TensorFile, RefusesRangesOutsideTheTensor) {
  const TempDir dir;
  const std::string path = dir / "x.safetensors";
  WriteBytes(path, SafetensorsBytes(kTwoTensors, PatternBytes(1433)));
  const std::unique_ptr<TensorFile> file = Opened(path);
  const TensorEntry& q = *file->Find("q");
  char byte = 'x';
  const auto error = [&](int64_t begin, int64_t n) {
    const Status status = file->ReadRange(q, begin, &byte, n);
    EXPECT_TRUE(status.ok() || status.code() == StatusCode::kOutOfRange);
    return status.message();
  };
  EXPECT_EQ(error(1400, 1), path + ": tensor 'q': 1 bytes at byte 1400 are not inside it; it has 1400");
  EXPECT_EQ(error(-1, 1), path + ": tensor 'q': 1 bytes at byte -1 are not inside it; it has 1400");
  EXPECT_EQ(error(0, -1), path + ": tensor 'q': -1 bytes at byte 0 are not inside it; it has 1400");
  EXPECT_EQ(error(2, 9223372036854775807),
            path + ": tensor 'q': 9223372036854775807 bytes at byte 2 are not inside it; it has 1400");
  EXPECT_EQ(error(1400, 0), "");
  EXPECT_EQ(byte, 'x');
}

TEST(ByteSource, RefusesRangesOutside) {
  const std::unique_ptr<ByteSource> source = FromMemory("memory", "abcd");
  char got[4] = {};
  const auto error = [&](int64_t offset, int64_t n) { return source->Read(offset, got, n).message(); };
  EXPECT_EQ(error(1, 4), "memory: 4 bytes at byte 1 are not inside the file, which has 4");
  EXPECT_EQ(error(5, 0), "memory: 0 bytes at byte 5 are not inside the file, which has 4");
  EXPECT_EQ(error(-1, 1), "memory: 1 bytes at byte -1 are not inside the file, which has 4");
  EXPECT_EQ(error(0, -1), "memory: -1 bytes at byte 0 are not inside the file, which has 4");
  EXPECT_EQ(source->Read(9223372036854775807, got, 9223372036854775807).code(), StatusCode::kOutOfRange);
  EXPECT_EQ(std::string(got, 4), std::string(4, '\0'));
  EXPECT_EQ(error(1, 3), "");
  EXPECT_EQ(std::string(got, 3), "bcd");
  EXPECT_EQ(error(4, 0), "");
}

TEST(TensorFile, ReadsNpyUnderTheNameOfItsFile) {
  const TempDir dir;
  const std::string text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", data = PatternBytes(24);
  for (const char* name : {"w.1.npy", "w.1.bin"}) {  // by its content
    WriteBytes(dir / name, NpyBytes(text, data));
    const std::unique_ptr<TensorFile> file = Opened(dir / name);
    EXPECT_EQ(file->format(), FileFormat::kNpy);
    EXPECT_EQ(
        file->entries(),
        (std::vector<TensorEntry>{{"w.1", ElementType::kF32, {2, 3}, 24, static_cast<int64_t>(10 + text.size())}}));
    std::string got(24, '\0');
    ASSERT_TRUE(file->ReadRange(file->entries()[0], 0, got.data(), 24).ok());
    EXPECT_EQ(got, data);
  }
}

TEST(TensorFile, TakesTheNameOfALongOrStrangePathAsItIs) {
  const TempDir dir;
  const std::string folder(200, 'd'), stem = "w\n" + std::string(200, 'w');
  std::filesystem::create_directory(dir / folder);
  const std::string path = dir / (folder + "/" + stem + ".npy");
  WriteBytes(path, NpyBytes("{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }", "x"));
  EXPECT_NE(Opened(path)->Find(stem), nullptr);
  WriteBytes(path, "no");
  EXPECT_EQ(OpenStatus(path).message(), dir / (folder + "/w\\n" + std::string(200, 'w') +
                                               ".npy: does not begin with the magic string of .npy files"));
}

TEST(TensorFile, SaysWhatIsThereInstead) {
  const TempDir dir;
  const auto error = [&](const char* name, std::string_view bytes) {
    WriteBytes(dir / name, bytes);
    const Status status = OpenStatus(dir / name);
    EXPECT_EQ(status.code(), StatusCode::kInvalidValue);
    const std::string prefix = dir / name + ": ";
    EXPECT_EQ(status.message().substr(0, prefix.size()), prefix);
    return status.message().substr(prefix.size());
  };
  const std::string tail(40, '\0');
  EXPECT_EQ(error("x.npz", "PK\x03\x04" + tail),
            "is a zip archive (.npz or a PyTorch checkpoint); kvant reads .safetensors and .npy");
  EXPECT_EQ(error("x.pt", "\x80\x02\x8a\x0al\xfc" + tail),
            "is a Python pickle (an old PyTorch checkpoint); kvant reads .safetensors and .npy");
  EXPECT_EQ(error("x.safetensors", "GGUF" + tail), "is a GGUF file; kvant reads .safetensors and .npy");
  EXPECT_EQ(error("x.h5", "\x89HDF\r\n" + tail), "is an HDF5 file; kvant reads .safetensors and .npy");
  EXPECT_EQ(error("empty", ""), "the file is empty");
  EXPECT_EQ(error("empty.npy", ""), "the file is empty");
  EXPECT_EQ(error("x.npy", SafetensorsBytes("{}")), "does not begin with the magic string of .npy files");
}

TEST(TensorFile, IsNotMisledByAHeaderLengthThatLooksLikeAnotherFormat) {
  const TempDir dir;
  std::string json = "{}";
  json.resize(0x04034b50, ' ');  // the length field begins with PK\3\4, as a zip archive does
  WriteBytes(dir / "x.safetensors", SafetensorsBytes(json));
  EXPECT_TRUE(OpenStatus(dir / "x.safetensors").ok());
}

TEST(TensorFile, SaysWhyAFileCannotBeOpened) {
  const TempDir dir;
  EXPECT_EQ(OpenStatus(dir / "no.safetensors").message(),
            dir / "no.safetensors" + ": cannot open: No such file or directory");
  EXPECT_EQ(OpenStatus(dir / "no.safetensors").code(), StatusCode::kUnavailable);
  EXPECT_EQ(OpenStatus(dir / "").message(), dir / "" + ": is a directory, not a file");
  ASSERT_EQ(mkfifo((dir / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(OpenStatus(dir / "pipe").message(), dir / "pipe" + ": is not a regular file");
  EXPECT_EQ(OpenStatus("/dev/null").message(), "/dev/null: is not a regular file");
  EXPECT_EQ(OpenStatus("no\nsuch\x1b").message(), "no\\nsuch\\x1b: cannot open: No such file or directory");
}

TEST(TensorFile, NoticesAFileThatShrinksWhileItIsRead) {
  const TempDir dir;
  const std::string path = dir / "x.safetensors";
  WriteBytes(path, SafetensorsBytes(kTwoTensors, PatternBytes(1433)));
  const std::unique_ptr<TensorFile> file = Opened(path);
  const int64_t start = file->entries()[0].offset;
  ASSERT_EQ(truncate(path.c_str(), start + 1000), 0);
  std::string got(1400, '\0');
  const Status status = file->ReadRange(file->entries()[0], 0, got.data(), 1400);
  EXPECT_EQ(status.message(), fmt::format("{}: had {} bytes when it was opened but now ends at byte {}", path,
                                          start + 1433, start + 1000));
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_TRUE(file->ReadRange(file->entries()[0], 0, got.data(), 1000).ok());
}

TEST(TensorFile, StreamsTensorsThatNoMemoryHolds) {
  constexpr int64_t kRows = int64_t{1} << 28, kRowBytes = 4096;  // 1 TiB, without blocks on the disk
  const TempDir dir;
  const std::string path = dir / "large.safetensors";
  const std::string head = SafetensorsBytes(
      fmt::format(R"({{"x":{{"dtype":"BF16","shape":[{},2048],"data_offsets":[0,{}]}}}})", kRows, kRows * kRowBytes));
  WriteBytes(path, head);
  if (truncate(path.c_str(), static_cast<int64_t>(head.size()) + kRows * kRowBytes) != 0) {
    GTEST_SKIP() << "no sparse file of 1 TiB here";
  }
  const std::string row = PatternBytes(kRowBytes);
  const int64_t place = (kRows - 2) * kRowBytes;
  const int fd = open(path.c_str(), O_WRONLY);
  ASSERT_EQ(pwrite(fd, row.data(), row.size(), static_cast<int64_t>(head.size()) + place), kRowBytes);
  close(fd);

  const std::unique_ptr<TensorFile> file = Opened(path);
  std::string got(3 * kRowBytes, 'x');
  ASSERT_TRUE(file->ReadRange(file->entries()[0], place - kRowBytes, got.data(), 3 * kRowBytes).ok());
  EXPECT_EQ(got, std::string(kRowBytes, '\0') + row + std::string(kRowBytes, '\0'));
}

TEST(TensorFile, ReadsFromSeveralThreads) {
  const TempDir dir;
  const std::string data = PatternBytes(1433), path = dir / "x.safetensors";
  WriteBytes(path, SafetensorsBytes(kTwoTensors, data));
  const std::unique_ptr<TensorFile> file = Opened(path);
  std::string got(1400, '\0');
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int64_t i = t; i < 1400; i += 4) EXPECT_TRUE(file->ReadRange(file->entries()[0], i, &got[i], 1).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(got, data.substr(0, 1400));
}

// One byte above the limit is refused; at the limit the header is read.
TEST(TensorFile, LimitsTheHeader) {
  const TempDir dir;
  const std::string path = dir / "x.safetensors";
  const auto error = [&](int64_t length) {
    WriteBytes(path, SafetensorsBytes("{", "", length));
    EXPECT_EQ(truncate(path.c_str(), 8 + length), 0);
    return OpenStatus(path).message();
  };
  EXPECT_EQ(error(kMaxSafetensorsHeader + 1),
            path + ": header says 100000001 bytes but safetensors allows at most 100000000");
  EXPECT_EQ(error(kMaxSafetensorsHeader), path + ": header is not valid JSON at byte 2, near '{\\x00'");
}

TEST(TensorFile, SurvivesWithoutMemoryForTheHeader) {
#ifdef KVANT_TEST_SANITIZED
  GTEST_SKIP() << "not with a sanitizer";
#else
  const TempDir dir;
  const std::string path = dir / "x.safetensors";
  WriteBytes(path, SafetensorsBytes("{", "", kMaxSafetensorsHeader));
  ASSERT_EQ(truncate(path.c_str(), 8 + kMaxSafetensorsHeader), 0);
  const pid_t child = fork();
  if (child == 0) {
    const rlimit limit{64 << 20, 64 << 20};  // what is mapped already stays
    setrlimit(RLIMIT_AS, &limit);
    if (void* volatile const memory = malloc(kMaxSafetensorsHeader)) {  // emulators pass no limit on
      free(memory);
      _exit(77);
    }
    std::unique_ptr<TensorFile> file;
    const Status status = TensorFile::Open(path, &file);
    _exit(status.code() == StatusCode::kOutOfMemory && status.message() == path + ": not enough memory for its header"
              ? 0
              : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "memory has no limit here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
#endif
}

}  // namespace
}  // namespace kvant::cli
