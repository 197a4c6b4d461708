// A progress bar for people who watch; nothing for pipes and logs.
#ifndef CLI_IO_PROGRESS_H_
#define CLI_IO_PROGRESS_H_

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace kvant::cli {

// 812 B, 1.21 GB: decimal units, three digits.
std::string BytesText(double bytes);

// One line of at most `width` columns: "quantize  45% [====>     ] 1.21 of 2.68 GB  812 MB/s  0:02 left". The bar takes
// what the rest leaves and goes first when there is too little room. rate 0: not known yet, nor is the time left.
std::string ProgressText(std::string_view label, int64_t done, int64_t total, double bytes_per_second, int width);

// The recent rate: old work counts less and less, by half every two seconds, so that the time left follows a disk that
// turns slow, but does not jump from block to block.
class RateMeter {
 public:
  // `seconds` since the start, not decreasing; `done` bytes until then.
  void Update(double seconds, int64_t done);
  double bytes_per_second() const { return rate_; }

 private:
  double seconds_ = 0;
  int64_t done_ = 0;
  double rate_ = 0;
};

// Draws on `fd` if that is a terminal that can return to the start of a line, at most ten times a second; the line is
// erased on destruction.
class Progress {
 public:
  Progress(std::string_view label, int64_t total_bytes, int fd = STDERR_FILENO);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Any thread may call it.
  void Advance(int64_t bytes);

 private:
  const std::string label_;
  const int64_t total_;
  const int fd_;
  const bool visible_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::mutex mutex_;
  int64_t done_ = 0;
  double drawn_ = 0;  // seconds since start_, 0 before the first drawing
  RateMeter meter_;
};

}  // namespace kvant::cli

#endif  // CLI_IO_PROGRESS_H_
