// How far one list of numbers is from another.
#ifndef CLI_ERROR_STATS_H_
#define CLI_ERROR_STATS_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace kvant::cli {

// Sums in double over any number of pieces. Pairs where both are NaN, or both the same infinity, count as equal; other
// pairs with a NaN or an infinity are counted as unlike and left out of the sums.
class ErrorStats {
 public:
  // Real is double, or long double for integers that a double would round.
  template <class Real>
  void Add(const Real* a, const Real* b, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      if (!std::isfinite(a[i]) || !std::isfinite(b[i])) {
        unlike_ += !(a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i])));
        continue;
      }
      const auto error = static_cast<double>(std::fabs(a[i] - b[i]));
      const auto x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
      aa_ += x * x;
      bb_ += y * y;
      ab_ += x * y;
      ee_ += error * error;
      if (error > max_) {
        max_ = error;
        at_ = count_ + i;
      }
    }
    count_ += n;
  }

  double max_error() const { return max_; }
  // Position of the first largest error; 0 without errors.
  int64_t max_error_at() const { return at_; }
  int64_t unlike() const { return unlike_; }

  // 10 log10(sum a^2 / sum (a - b)^2): infinity for equal lists, -infinity where a is 0 and b is not.
  double Sqnr() const {
    if (ee_ == 0) return std::numeric_limits<double>::infinity();
    return 10 * std::log10(aa_ / ee_);
  }

  // From -1 to 1, whatever rounding does; 1 for equal lists of zeros, NaN where only one is all zeros.
  double Cosine() const {
    if (aa_ == 0 && bb_ == 0) return 1;
    return std::clamp(ab_ / std::sqrt(aa_) / std::sqrt(bb_), -1.0, 1.0);  // keeps NaN
  }

 private:
  double aa_ = 0, bb_ = 0, ab_ = 0, ee_ = 0, max_ = 0;
  int64_t at_ = 0, count_ = 0, unlike_ = 0;
};

}  // namespace kvant::cli

#endif  // CLI_ERROR_STATS_H_
