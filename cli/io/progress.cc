#include "cli/io/progress.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "cli/io/message.h"

namespace kvant::cli {
namespace {

constexpr double kSecondsBetweenDrawings = 0.1;
constexpr double kRateHalfLife = 2.0;
constexpr int kUnknownWidth = 80;
constexpr size_t kNarrowestBar = 10, kWidestBar = 40;

bool CanRedraw(int fd) {
  const char* const term = std::getenv("TERM");
  return isatty(fd) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

int Columns(int fd) {
  winsize size;
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUnknownWidth;
}

std::string DurationText(double seconds) {
  if (seconds >= 100 * 3600.0) return "days";
  const auto total = static_cast<int>(std::ceil(seconds));
  const int hours = total / 3600, minutes = total / 60 % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, total % 60);
  return fmt::format("{}:{:02}", minutes, total % 60);
}

// The screen shows it or it does not: nothing to do about an error.
void Show(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = write(fd, text.data(), text.size());
    if (put <= 0) return;
    text.remove_prefix(static_cast<size_t>(put));
  }
}

}  // namespace

std::string BytesText(double bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  size_t unit = 0;
  // 999.5 would print as 1000 in this unit.
  for (; bytes >= 999.5 && unit + 1 < std::size(kUnits); ++unit) bytes /= 1000;
  const int decimals = unit == 0 || bytes >= 99.95 ? 0 : bytes >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f} {}", bytes, decimals, kUnits[unit]);
}

std::string ProgressText(std::string_view label, int64_t done, int64_t total, double bytes_per_second, int width) {
  const double fraction =
      total > 0 ? std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0) : 1.0;
  const std::string head = fmt::format("{} {:3.0f}%", label, std::floor(100 * fraction));
  std::string tail =
      fmt::format(" {} of {}", BytesText(static_cast<double>(done)), BytesText(static_cast<double>(total)));
  if (bytes_per_second > 0) {
    tail += fmt::format("  {}/s  {} left", BytesText(bytes_per_second),
                        DurationText(static_cast<double>(std::max<int64_t>(total - done, 0)) / bytes_per_second));
  }
  const size_t columns = static_cast<size_t>(std::max(width, 0));
  const size_t text = head.size() + tail.size();
  constexpr size_t kFrame = 3;  // a space and two brackets
  std::string bar;
  if (columns >= text + kFrame + kNarrowestBar) {
    const size_t cells = std::min(columns - text - kFrame, kWidestBar);
    const auto full = static_cast<size_t>(fraction * static_cast<double>(cells));
    bar = fmt::format(" [{}{}{}]", std::string(full, '='), full < cells ? ">" : "",
                      std::string(full < cells ? cells - full - 1 : 0, ' '));
  }
  std::string line = head + bar + tail;
  if (line.size() > columns) {
    size_t end = columns;
    while (end > 0 && (line[end] & 0xC0) == 0x80) --end;  // not inside a UTF-8 sequence
    line.resize(end);
  }
  return line;
}

void RateMeter::Update(double seconds, int64_t done) {
  const double elapsed = seconds - seconds_;
  if (elapsed <= 0) return;
  const double recent = static_cast<double>(done - done_) / elapsed;
  const double keep = rate_ == 0 ? 0 : std::exp2(-elapsed / kRateHalfLife);
  rate_ = keep * rate_ + (1 - keep) * recent;
  seconds_ = seconds;
  done_ = done;
}

Progress::Progress(std::string_view label, int64_t total_bytes, int fd)
    : label_(Printable(label)), total_(total_bytes), fd_(fd), visible_(CanRedraw(fd)) {}

Progress::~Progress() {
  if (drawn_ > 0) Show(fd_, "\r\x1b[K");
}

void Progress::Advance(int64_t bytes) {
  if (!visible_) return;
  const std::lock_guard lock(mutex_);
  done_ += bytes;
  const double now = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  if (now - drawn_ < kSecondsBetweenDrawings) return;
  drawn_ = now;
  meter_.Update(now, done_);
  // One column less than the terminal has: some wrap when the last one is written.
  Show(fd_,
       fmt::format("\r{}\x1b[K", ProgressText(label_, done_, total_, meter_.bytes_per_second(), Columns(fd_) - 1)));
}

}  // namespace kvant::cli
