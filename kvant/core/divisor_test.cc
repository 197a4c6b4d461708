#include "kvant/core/divisor.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace kvant {
namespace {

constexpr uint32_t kMost = (uint32_t{1} << 31) - 1;  // the largest number that is divided

TEST(Divisor, IsExact) {
  std::mt19937 random(1);
  std::vector<uint32_t> divisors = {kMost - 1, kMost, kMost + 1};
  for (uint32_t d = 1; d <= 2000; ++d) divisors.push_back(d);
  for (int bit = 1; bit < 31; ++bit) {
    const uint32_t power = uint32_t{1} << bit;
    divisors.insert(divisors.end(), {power - 1, power, power + 1});
    divisors.push_back(static_cast<uint32_t>(random() % power) + 1);
  }
  for (const uint32_t d : divisors) {
    const Divisor by(d);
    ASSERT_EQ(by.divisor(), d);
    const auto check = [&](uint64_t n) {
      if (n > kMost) return;
      ASSERT_EQ(by.Quotient(static_cast<uint32_t>(n)), n / d) << n << " / " << d;
    };
    // Quotients change at multiples: the first, the last, and any between.
    const uint64_t last = kMost / d;
    for (const uint64_t multiple : {uint64_t{0}, uint64_t{1}, uint64_t{2}, last / 2, last - (last > 0), last}) {
      for (const uint64_t n : {multiple * d - (multiple > 0), multiple * d, multiple * d + 1}) check(n);
    }
    for (int i = 0; i < 100; ++i) {
      const uint64_t multiple = random() % (last + 1);
      check(multiple * d);
      check(multiple * d + d - 1);
    }
    check(kMost);
  }
}

TEST(Divisor, ZeroCountsAsOne) {
  EXPECT_EQ(Divisor(0).Quotient(5), 5u);
  EXPECT_EQ(Divisor().Quotient(5), 5u);
}

}  // namespace
}  // namespace kvant
