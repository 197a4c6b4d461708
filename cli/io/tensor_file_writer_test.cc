#include "cli/io/tensor_file_writer.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cli/io/tensor_file.h"
#include "cli/io/test_util.h"

namespace kvant::cli {
namespace {

using Names = std::vector<std::string>;

std::unique_ptr<TensorFileWriter> Created(const std::string& path, TensorTable table) {
  std::unique_ptr<TensorFileWriter> writer;
  const Status status = TensorFileWriter::Create(path, std::move(table), &writer);
  EXPECT_TRUE(status.ok()) << status.message();
  return writer;
}

std::string ReadTensor(const TensorFile& file, std::string_view tensor) {
  const TensorEntry* const entry = file.Find(tensor);
  if (entry == nullptr) return "no such tensor";
  std::string bytes(entry->bytes, '\0');
  EXPECT_TRUE(file.ReadRange(*entry, 0, bytes.data(), entry->bytes).ok());
  return bytes;
}

TEST(TensorFileWriter, WritesTensorsOfDifferentSizesInterleaved) {
  const TempDir dir;
  const std::string path = dir / "out.safetensors";
  // Codes, scale and offset of the same rows, as quantizing writes them.
  constexpr int64_t kRows = 103, kBlock = 10;
  const TensorTable table{{{"x", ElementType::kI8, {kRows, 48}},
                           {"x.scale", ElementType::kF32, {kRows}},
                           {"x.offset", ElementType::kF32, {kRows}},
                           {"none", ElementType::kF16, {0, 3}}},
                          {{"x", "int8"}}};
  const std::vector<int64_t> row_bytes = {48, 4, 4};
  std::vector<std::string> data;
  for (uint32_t t = 0; t < 3; ++t) data.push_back(PatternBytes(kRows * row_bytes[t], t + 1));

  const std::unique_ptr<TensorFileWriter> writer = Created(path, table);
  for (int64_t row = 0; row < kRows; row += kBlock) {
    const int64_t rows = std::min(kBlock, kRows - row);
    for (size_t t = 0; t < 3; ++t) {
      const Status status =
          writer->WriteRange(t, row * row_bytes[t], data[t].data() + row * row_bytes[t], rows * row_bytes[t]);
      ASSERT_TRUE(status.ok()) << status.message();
    }
  }
  EXPECT_EQ(dir.List().size(), 1u);
  EXPECT_FALSE(std::filesystem::exists(path));
  ASSERT_TRUE(writer->Commit().ok());
  EXPECT_EQ(dir.List(), Names{"out.safetensors"});
  EXPECT_EQ(static_cast<int64_t>(ReadBytes(path).size()), writer->file_bytes());

  std::unique_ptr<TensorFile> file;
  const Status status = TensorFile::Open(path, &file);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(file->metadata(), table.metadata);
  EXPECT_EQ(ReadTensor(*file, "x"), data[0]);
  EXPECT_EQ(ReadTensor(*file, "x.scale"), data[1]);
  EXPECT_EQ(ReadTensor(*file, "x.offset"), data[2]);
  EXPECT_EQ(ReadTensor(*file, "none"), "");
  for (const TensorEntry& entry : writer->entries()) EXPECT_EQ(*file->Find(entry.name), entry);
}

TEST(TensorFileWriter, WritesNpy) {
  const TempDir dir;
  const std::string path = dir / "w.npy", data = PatternBytes(24);
  const std::unique_ptr<TensorFileWriter> writer = Created(path, {{{"any", ElementType::kF32, {2, 3}}}, {}});
  ASSERT_TRUE(writer->WriteRange(0, 10, data.data() + 10, 14).ok());
  ASSERT_TRUE(writer->WriteRange(0, 0, data.data(), 10).ok());
  ASSERT_TRUE(writer->Commit().ok());
  std::unique_ptr<TensorFile> file;
  ASSERT_TRUE(TensorFile::Open(path, &file).ok());
  EXPECT_EQ(file->format(), FileFormat::kNpy);
  EXPECT_EQ(ReadTensor(*file, "w"), data);
}

TEST(TensorFileWriter, RefusesWhatTheFormatCannotHoldBeforeAnyFileExists) {
  const TempDir dir;
  const auto error = [&](const char* name, ElementType type) {
    std::unique_ptr<TensorFileWriter> writer;
    const Status status = TensorFileWriter::Create(dir / name, {{{"k", type, {2}}}, {}}, &writer);
    EXPECT_EQ(writer, nullptr);
    EXPECT_EQ(dir.List(), Names{});
    return status.message();
  };
  EXPECT_EQ(error("out.npy", ElementType::kBF16),
            dir / "out.npy" + ": tensor 'k': .npy cannot hold BF16; use .safetensors");
  EXPECT_EQ(error("out.bin", ElementType::kF32),
            dir / "out.bin" + ": does not end in .safetensors or .npy, the formats that kvant writes");
  EXPECT_EQ(error("no/out.npy", ElementType::kF32), dir / "no/out.npy" + ": cannot create: No such file or directory");
}

TEST(TensorFileWriter, CommitsOnlyWhenEveryByteIsWritten) {
  const TempDir dir;
  const std::string path = dir / "out.safetensors", data = PatternBytes(100);
  const TensorTable table{{{"a", ElementType::kU8, {100}}, {"b", ElementType::kU8, {1}}}, {}};
  {
    const std::unique_ptr<TensorFileWriter> writer = Created(path, table);
    ASSERT_TRUE(writer->WriteRange(0, 0, data.data(), 60).ok());
    ASSERT_TRUE(writer->WriteRange(0, 61, data.data(), 39).ok());
    ASSERT_TRUE(writer->WriteRange(1, 0, data.data(), 1).ok());
    EXPECT_EQ(writer->Commit().message(), path + ": tensor 'a': 99 of 100 bytes have been written");
  }
  EXPECT_EQ(dir.List(), Names{});
  {
    const std::unique_ptr<TensorFileWriter> writer = Created(path, table);
    ASSERT_TRUE(writer->WriteRange(0, 0, data.data(), 100).ok());
    EXPECT_EQ(writer->Commit().message(), path + ": tensor 'b': 0 of 1 bytes have been written");
  }
  EXPECT_EQ(dir.List(), Names{});
}

TEST(TensorFileWriter, RefusesRangesOutsideATensorOrTwiceAndThenTheFile) {
  const TempDir dir;
  const std::string path = dir / "out.safetensors", data = PatternBytes(100);
  const auto errors = [&](int64_t begin, int64_t n) {
    const std::unique_ptr<TensorFileWriter> writer = Created(path, {{{"a", ElementType::kU8, {100}}}, {}});
    EXPECT_TRUE(writer->WriteRange(0, 40, data.data(), 20).ok());
    const Status status = writer->WriteRange(0, begin, data.data(), n);
    EXPECT_TRUE(writer->WriteRange(0, 0, data.data(), 40).ok());
    EXPECT_TRUE(writer->WriteRange(0, 60, data.data(), 40).ok());
    EXPECT_EQ(writer->Commit().message(), status.message());
    EXPECT_TRUE(status.ok() || status.code() == StatusCode::kOutOfRange);
    return status.message();
  };
  EXPECT_EQ(errors(100, 1), path + ": tensor 'a': 1 bytes at byte 100 are not inside it; it has 100");
  EXPECT_EQ(errors(-1, 2), path + ": tensor 'a': 2 bytes at byte -1 are not inside it; it has 100");
  EXPECT_EQ(errors(0, 101), path + ": tensor 'a': 101 bytes at byte 0 are not inside it; it has 100");
  EXPECT_EQ(errors(0, -1), path + ": tensor 'a': -1 bytes at byte 0 are not inside it; it has 100");
  EXPECT_EQ(errors(59, 1), path + ": tensor 'a': 1 bytes at byte 59 overlap bytes written before");
  EXPECT_EQ(errors(39, 2), path + ": tensor 'a': 2 bytes at byte 39 overlap bytes written before");
  EXPECT_EQ(errors(30, 40), path + ": tensor 'a': 40 bytes at byte 30 overlap bytes written before");
  EXPECT_EQ(errors(40, 20), path + ": tensor 'a': 20 bytes at byte 40 overlap bytes written before");
  EXPECT_EQ(dir.List(), Names{});
  EXPECT_EQ(errors(50, 0), "");
  EXPECT_EQ(dir.List(), Names{"out.safetensors"});
}

// Random ranges, with a bit per byte as the oracle of what has been written.
TEST(TensorFileWriter, AcceptsExactlyTheRangesThatAreNew) {
  const TempDir dir;
  const std::string data = PatternBytes(64);
  std::mt19937 random(7);
  int accepted = 0, refused = 0;
  for (int round = 0; round < 200; ++round) {
    const std::unique_ptr<TensorFileWriter> writer = Created(dir / "out.npy", {{{"a", ElementType::kU8, {64}}}, {}});
    std::vector<bool> written(64);
    for (int i = 0; i < 30; ++i) {
      const int64_t begin = random() % 64, n = 1 + random() % std::min<int64_t>(64 - begin, 9);
      bool fresh = true;
      for (int64_t b = begin; b < begin + n; ++b) fresh &= !written[b];
      ASSERT_EQ(writer->WriteRange(0, begin, data.data(), n).ok(), fresh) << begin << " " << n;
      if (fresh) std::fill_n(written.begin() + begin, n, true);
      ++(fresh ? accepted : refused);
    }
  }
  EXPECT_GT(accepted, 1000);
  EXPECT_GT(refused, 1000);
}

TEST(TensorFileWriter, WritesFromSeveralThreads) {
  const TempDir dir;
  const std::string path = dir / "out.safetensors", data = PatternBytes(4000);
  const std::unique_ptr<TensorFileWriter> writer = Created(path, {{{"a", ElementType::kU8, {4000}}}, {}});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int64_t i = 10 * t; i < 4000; i += 40) EXPECT_TRUE(writer->WriteRange(0, i, &data[i], 10).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(writer->Commit().ok());
  std::unique_ptr<TensorFile> file;
  ASSERT_TRUE(TensorFile::Open(path, &file).ok());
  EXPECT_EQ(ReadTensor(*file, "a"), data);
}

}  // namespace
}  // namespace kvant::cli
