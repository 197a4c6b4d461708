#include "cli/bench_util.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "cli/buffer.h"
#include "kvant/testing/copy_roof.h"

namespace kvant::cli {
namespace {

using testing::RoofStores;

void RunOnThreads(void*, int tasks, void (*body)(void*, int), void* arg) {
  std::vector<std::thread> threads;
  for (int t = 0; t < tasks; ++t) threads.emplace_back(body, arg, t);
  for (std::thread& thread : threads) thread.join();
}

// Every vector of the output is written, and no byte outside it.
void ExpectAllWritten(int64_t read_bytes, int64_t write_bytes, RoofStores stores, int threads) {
  Buffer from(read_bytes + 8192), to(write_bytes + 192);
  std::memset(from.data(), 0, static_cast<size_t>(read_bytes) + 8192);
  std::memset(to.data(), 0x55, static_cast<size_t>(write_bytes) + 192);
  const ParallelFor parallel = {threads, nullptr, RunOnThreads};
  testing::MoveBytes(parallel, from.data(), read_bytes, to.data() + 64, write_bytes, stores);
  int64_t left = 0;
  for (int64_t i = 0; i < write_bytes; ++i) left += to.data()[64 + i] == 0x55;
  EXPECT_LT(left, 64) << read_bytes << " to " << write_bytes << ", " << threads << " threads";
  for (int64_t i = 0; i < 64; ++i) EXPECT_EQ(to.data()[i], 0x55) << "before";
  for (int64_t i = 0; i < 128; ++i) EXPECT_EQ(to.data()[64 + write_bytes + i], 0x55) << "after";
}

TEST(CopyRoof, MovesTheBytesOfEveryRatio) {
  for (const RoofStores stores : {RoofStores::kNormal, RoofStores::kStreaming}) {
    for (const int threads : {1, 2, 3}) {
      for (const int64_t n : {0, 1, 63, 64, 65, 1000, 4096, 100'003}) {
        for (const auto& [read, write] : {std::pair{2, 1}, {4, 1}, {8, 1}, {1, 1}, {1, 2}, {1, 4}, {1, 8}, {5, 3}}) {
          ExpectAllWritten(n * read, n * write, stores, threads);
        }
      }
      ExpectAllWritten(0, 1000, stores, threads);
      ExpectAllWritten(1000, 0, stores, threads);
    }
  }
}

// What is written depends on all that is read: otherwise the compiler could leave loads out.
TEST(CopyRoof, ReadsEveryVector) {
  constexpr int64_t kRead = 4096, kWrite = 1024;
  Buffer from(kRead), to(kWrite);
  std::memset(from.data(), 0, kRead);
  for (int64_t i = 0; i < kRead; i += 16) {
    from.data()[i] = 1;
    for (const auto where : {testing::RoofFrom::kCache, testing::RoofFrom::kMemory}) {
      testing::MoveBytes(from.data(), kRead, to.data(), kWrite, RoofStores::kNormal, where);
      int64_t ones = 0;
      for (int64_t j = 0; j < kWrite; ++j) ones += to.data()[j] == 1;
      EXPECT_GT(ones, 0) << i;
    }
    from.data()[i] = 0;
  }
}

TEST(MeasureBesideCopy, ReportsWhatItRan) {
  Buffer from(1 << 16), to(1 << 15);
  std::memset(from.data(), 1, 1 << 16);
  const Traffic traffic = {from.data(), 1 << 16, to.data(), 1 << 15};
  int calls = 0;
  Timing timing;
  const auto sleep = [&] {
    ++calls;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return Status();
  };
  ASSERT_TRUE(MeasureBesideCopy(sleep, traffic, SerialFor(), 0.001, &timing).ok());
  EXPECT_EQ(calls, 7);  // twice to warm up, and the five rounds that there are at least
  EXPECT_GE(timing.seconds, 0.002);
  EXPECT_GT(timing.copy_seconds, 0);
  EXPECT_GT(timing.streaming_copy_seconds, 0);
  EXPECT_LT(timing.of_copy, 1);
  EXPECT_DOUBLE_EQ(timing.BytesPerSecond(traffic), (3 << 15) / timing.seconds);
}

TEST(MeasureBesideCopy, EndsWithTheFirstFailure) {
  Buffer from(64), to(64);
  std::memset(from.data(), 1, 64);
  Timing timing;
  int calls = 0;
  const auto fail = [&] { return ++calls == 4 ? Status::OutOfRange("fourth") : Status(); };
  const Traffic traffic = {from.data(), 64, to.data(), 64};
  EXPECT_EQ(MeasureBesideCopy(fail, traffic, SerialFor(), 0.001, &timing).message(), "fourth");
  EXPECT_EQ(calls, 4);
}

}  // namespace
}  // namespace kvant::cli
