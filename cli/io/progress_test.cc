#include "cli/io/progress.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <string>
#include <thread>

namespace kvant::cli {
namespace {

TEST(BytesText, HasThreeDigits) {
  EXPECT_EQ(BytesText(0), "0 B");
  EXPECT_EQ(BytesText(999), "999 B");
  EXPECT_EQ(BytesText(1000), "1.00 kB");
  EXPECT_EQ(BytesText(9994), "9.99 kB");
  EXPECT_EQ(BytesText(9996), "10.0 kB");
  EXPECT_EQ(BytesText(99949), "99.9 kB");
  EXPECT_EQ(BytesText(99951), "100 kB");
  EXPECT_EQ(BytesText(999499), "999 kB");
  EXPECT_EQ(BytesText(999501), "1.00 MB");
  EXPECT_EQ(BytesText(1.5e9), "1.50 GB");
  EXPECT_EQ(BytesText(2.25e13), "22.5 TB");
  EXPECT_EQ(BytesText(9.2e18), "9.20 EB");
  EXPECT_EQ(BytesText(5e21), "5000 EB");
}

TEST(ProgressText, ShowsPartRateAndTimeLeft) {
  EXPECT_EQ(ProgressText("quantize", 0, 2'000'000'000, 0, 60),
            "quantize   0% [>                            ] 0 B of 2.00 GB");
  EXPECT_EQ(ProgressText("quantize", 500'000'000, 2'000'000'000, 100e6, 79),
            "quantize  25% [======>                 ] 500 MB of 2.00 GB  100 MB/s  0:15 left");
  EXPECT_EQ(ProgressText("q", 30, 30, 10, 60), "q 100% [===================] 30 B of 30 B  10 B/s  0:00 left");
  EXPECT_EQ(ProgressText("q", 29, 30, 10, 20), "q  96% 29 B of 30 B ");
  EXPECT_EQ(ProgressText("q", 29, 30, 10, 0), "");
  EXPECT_EQ(ProgressText("q", 29, 30, 10, -1), "");
  EXPECT_EQ(ProgressText("\xc3\xa9\xc3\xa9", 0, 1, 0, 3), "\xc3\xa9");
  EXPECT_EQ(ProgressText("q", 0, 0, 0, 30), "q 100% [==========] 0 B of 0 B");
}

TEST(ProgressText, WritesTimesAsClocksDo) {
  const auto left = [](double seconds) {
    const std::string text = ProgressText("", 0, 1000, 1000 / seconds, 200);
    return text.substr(text.find("/s  ") + 4);
  };
  EXPECT_EQ(left(0.2), "0:01 left");
  EXPECT_EQ(left(59), "0:59 left");
  EXPECT_EQ(left(61.5), "1:02 left");
  EXPECT_EQ(left(3725), "1:02:05 left");
  EXPECT_EQ(left(99.5 * 3600), "99:30:00 left");
  EXPECT_EQ(left(1e12), "days left");
}

TEST(RateMeter, FollowsTheRecentRateByHalvesOfTwoSeconds) {
  RateMeter meter;
  EXPECT_EQ(meter.bytes_per_second(), 0);
  meter.Update(0.5, 50);
  EXPECT_DOUBLE_EQ(meter.bytes_per_second(), 100);
  meter.Update(0.5, 70);  // no time has passed: counted with the next
  EXPECT_DOUBLE_EQ(meter.bytes_per_second(), 100);
  meter.Update(2.5, 650);  // 300 per second for two seconds
  EXPECT_DOUBLE_EQ(meter.bytes_per_second(), 200);
  meter.Update(6.5, 650);  // a standstill of four
  EXPECT_DOUBLE_EQ(meter.bytes_per_second(), 50);
}

// A terminal and its other end.
class Terminal {
 public:
  Terminal() {
    screen_ = posix_openpt(O_RDWR | O_NOCTTY);
    if (screen_ < 0 || grantpt(screen_) != 0 || unlockpt(screen_) != 0) return;
    fd_ = open(ptsname(screen_), O_RDWR | O_NOCTTY);
    const winsize size{.ws_row = 25, .ws_col = 51, .ws_xpixel = 0, .ws_ypixel = 0};
    if (fd_ >= 0) ioctl(fd_, TIOCSWINSZ, &size);
  }
  ~Terminal() {
    if (fd_ >= 0) close(fd_);
    if (screen_ >= 0) close(screen_);
  }
  int fd() const { return fd_; }
  std::string Shown() const {
    std::string text;
    for (pollfd ready{screen_, POLLIN, 0}; poll(&ready, 1, 50) == 1;) {
      char block[512];
      const ssize_t n = read(screen_, block, sizeof block);
      if (n <= 0) break;
      text.append(block, static_cast<size_t>(n));
    }
    return text;
  }

 private:
  int screen_ = -1, fd_ = -1;
};

class ProgressTest : public testing::Test {
 protected:
  void SetUp() override { setenv("TERM", "xterm", 1); }
};

TEST_F(ProgressTest, DrawsOnATerminalAndErasesItself) {
  const Terminal terminal;
  if (terminal.fd() < 0) GTEST_SKIP() << "no pseudo-terminal here";
  {
    const auto start = std::chrono::steady_clock::now();
    Progress progress("quantize", 1000, terminal.fd());
    progress.Advance(100);
    const bool early = std::chrono::steady_clock::now() - start < std::chrono::milliseconds(100);
    EXPECT_TRUE(!early || terminal.Shown().empty());
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    progress.Advance(400);
    const std::string shown = terminal.Shown();
    EXPECT_EQ(shown.rfind("\rquantize  50%", 0), 0u) << shown;
    EXPECT_NE(shown.find(" 500 B of 1.00 kB  "), std::string::npos) << shown;
    EXPECT_NE(shown.find("B/s"), std::string::npos) << shown;
    EXPECT_EQ(shown.find('\n'), std::string::npos);
    EXPECT_LE(shown.size(), 50 + std::string("\r\x1b[K").size()) << shown;
  }
  EXPECT_EQ(terminal.Shown(), "\r\x1b[K");
}

TEST_F(ProgressTest, IsSilentInPipesAndOnDumbTerminals) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  const Terminal terminal;
  {
    Progress piped("quantize", 1000, ends[1]);
    setenv("TERM", "dumb", 1);
    Progress dumb("quantize", 1000, terminal.fd());
    unsetenv("TERM");
    Progress bare("quantize", 1000, terminal.fd());
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    piped.Advance(500);
    dumb.Advance(500);
    bare.Advance(500);
  }
  char byte;
  EXPECT_EQ(read(ends[0], &byte, 1), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(terminal.Shown(), "");
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace kvant::cli
