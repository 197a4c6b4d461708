// exp of numerics/swish.inc: its error against long double, what it makes of every kind of input, and the same bits on
// every target. KVANT_LONG_TESTS tries all 2^32 inputs.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <mutex>
#include <string>
#include <vector>

#include "kvant/core/macros.h"
#include "kvant/core/target.h"
#include "kvant/numerics/lanes_scalar.h"
#include "kvant/numerics/targets.h"
#include "kvant/numerics/test_util.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kvant/numerics/swish_test.cc"
#include "hwy/foreach_target.h"
#include "kvant/numerics/quad_lanes-inl.h"

#ifndef KVANT_NUMERICS_SWISH_TEST_ONCE
#define KVANT_NUMERICS_SWISH_TEST_ONCE
namespace kvant {
namespace {

// Inputs are patterns of floats, this many at a time.
constexpr int64_t kBlock = 1 << 12;
// Exp, and OnePlusExpOfMinus, of n floats, a multiple of 256.
using ManyFunction = void (*)(const float* x, int64_t n, float* to);
struct SwishFunctions {
  ManyFunction exp, one_plus;
};

}  // namespace
}  // namespace kvant
#endif  // KVANT_NUMERICS_SWISH_TEST_ONCE

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {
namespace {

#include "kvant/numerics/swish.inc"

void Exps(const float* x, int64_t n, float* to) {
  using L = VectorLanes;
  for (int64_t i = 0; i < n; i += static_cast<int64_t>(L::N())) hn::StoreU(Exp<L>(L::Load(x + i)), L::DF(), to + i);
}

// Four vectors at a time where the operator does so.
void OnePlus(const float* x, int64_t n, float* to) {
  using L = VectorLanes;
  const auto N = static_cast<int64_t>(L::N());
#if HWY_HAVE_SCALABLE
  for (int64_t i = 0; i < n; i += N) hn::StoreU(OnePlusExpOfMinus<L>(L::Load(x + i)), L::DF(), to + i);
#else
  for (int64_t i = 0; i < n; i += 4 * N) {
    const QuadLanes::F v = OnePlusExpOfMinus<QuadLanes>(QuadLanes::Load(x + i));
    hn::StoreU(v.a, L::DF(), to + i);
    hn::StoreU(v.b, L::DF(), to + i + N);
    hn::StoreU(v.c, L::DF(), to + i + 2 * N);
    hn::StoreU(v.d, L::DF(), to + i + 3 * N);
  }
#endif
}

SwishFunctions Functions() { return {Exps, OnePlus}; }

}  // namespace
// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();
#endif  // HWY_TARGET is for SIMD

#if HWY_ONCE
#include "kvant/numerics/dispatch.h"

namespace kvant {
namespace {

#include "kvant/numerics/swish.inc"

constexpr float kInfinity = std::numeric_limits<float>::infinity();

void ScalarExps(const float* x, int64_t n, float* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = Exp<ScalarLanes>(x[i]);
}
void ScalarOnePlus(const float* x, int64_t n, float* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = OnePlusExpOfMinus<ScalarLanes>(x[i]);
}

SwishFunctions FunctionsOf(Target target){
    KVANT_RETURN_FOR_TARGET(target, Functions(), (SwishFunctions{ScalarExps, ScalarOnePlus}))}

uint32_t BitsOf(float v) {
  return v != v ? 0x7FC00000 : std::bit_cast<uint32_t>(v);
}

// Calls f(block) for blocks of patterns: all of them, or every 251st pattern (1021st where that takes long).
template <class Function>
void ForPatterns(const Function& f) {
  const int64_t step = LongTests() ? 1 : SlowMachine() ? 1021 : 251;
  const int64_t blocks = ((int64_t{1} << 32) / step + kBlock - 1) / kBlock;
  ParallelEach(static_cast<int>(blocks), [&](int block) {
    std::vector<float> x(kBlock);
    for (int64_t i = 0; i < kBlock; ++i) {
      x[static_cast<size_t>(i)] = std::bit_cast<float>(static_cast<uint32_t>((block * kBlock + i) * step));
    }
    f(x);
  });
}

// The largest error found, in units of the last place of the exact result.
struct Worst {
  double error = 0;
  float x = 0;
  void Merge(const Worst& o) {
    if (o.error > error) *this = o;
  }
};

// "" if Exp(x) = y is as promised where the result is not an ordinary number; else says what is wrong.
std::string Judge(float x, float y, Worst* worst) {
  const auto wrong = [&](const char* what) {
    char text[100];
    std::snprintf(text, sizeof(text), "exp(%a) = %a: %s", x, y, what);
    return std::string(text);
  };
  if (x != x) return y != y ? "" : wrong("not NaN");
  if (y != y) return wrong("NaN");
  const double exact = std::exp(static_cast<double>(x));  // its own error is below 2^-29 units of ours
  const auto rounded = static_cast<float>(exact);
  if (x == -kInfinity || exact < 0x1p-126) return y == 0 && !std::signbit(y) ? "" : wrong("not +0");
  if (y == kInfinity) return rounded == kInfinity ? "" : wrong("infinite");
  if (rounded == kInfinity) return wrong("finite");
  int exponent = 0;
  std::frexp(exact, &exponent);
  worst->Merge({std::fabs(y - exact) / std::ldexp(1.0, exponent - 24), x});
  return "";
}

TEST(Swish, ExpIsWithinTheErrorItPromises) {
  const SwishFunctions functions = FunctionsOf(SupportedTargets().front());
  std::mutex mutex;
  Worst worst;
  std::string wrong;
  ForPatterns([&](const std::vector<float>& x) {
    std::vector<float> y(x.size());
    functions.exp(x.data(), kBlock, y.data());
    Worst mine;
    std::string text;
    for (size_t i = 0; i < x.size() && text.empty(); ++i) text = Judge(x[i], y[i], &mine);
    const std::lock_guard lock(mutex);
    worst.Merge(mine);
    if (wrong.empty()) wrong = text;
  });
  EXPECT_EQ(wrong, "");
  EXPECT_LT(worst.error, 1.91) << worst.x;
  EXPECT_GT(worst.error, 0.5);
  RecordProperty("largest_error_in_ulp", std::to_string(worst.error));
  std::printf("largest error %.6f ulp, of exp(%a) = exp(%.9g)\n", worst.error, worst.x, worst.x);
}

TEST(Swish, Ends) {
  const auto exp = [](float x) { return Exp<ScalarLanes>(x); };
  EXPECT_EQ(exp(0.0f), 1.0f);
  EXPECT_EQ(exp(-0.0f), 1.0f);
  EXPECT_EQ(exp(0x1p-149f), 1.0f);
  EXPECT_EQ(BitsOf(exp(-kInfinity)), 0u);
  EXPECT_EQ(exp(kInfinity), kInfinity);
  EXPECT_LT(exp(88.72283f), kInfinity);
  EXPECT_EQ(exp(88.72284f), kInfinity);
  EXPECT_GE(exp(-87.33654f), 0x1p-126f);
  EXPECT_EQ(BitsOf(exp(-87.33655f)), 0u);
  EXPECT_EQ(BitsOf(exp(-std::numeric_limits<float>::max())), 0u);
  EXPECT_TRUE(std::isnan(exp(std::numeric_limits<float>::quiet_NaN())));
}

// A NaN does not become a number.
TEST(Swish, SumOfNaN) {
  volatile float zero = 0;
  const float nan = zero * -kInfinity;
  for (const Target target : SupportedTargets()) {
    const std::vector<float> x(256, nan);
    std::vector<float> sum(x.size());
    FunctionsOf(target).one_plus(x.data(), 256, sum.data());
    for (const float v : sum) EXPECT_TRUE(std::isnan(v)) << Name(target);
  }
}

// Of all targets, the reference among them; and the sum is that with Exp.
TEST(Swish, SameBitsOnEveryTarget) {
  std::mutex mutex;
  std::string wrong;
  ForPatterns([&](const std::vector<float>& x) {
    std::vector<float> expected(x.size()), sum(x.size()), got(x.size()), minus(x.size());
    FunctionsOf(SupportedTargets().front()).exp(x.data(), kBlock, expected.data());
    for (size_t i = 0; i < x.size(); ++i) minus[i] = -x[i];
    FunctionsOf(SupportedTargets().front()).one_plus(minus.data(), kBlock, sum.data());
    const auto expect = [&](size_t i, float a, float b, const std::string& what) {
      if (BitsOf(a) == BitsOf(b)) return;
      const std::lock_guard lock(mutex);
      char text[100];
      std::snprintf(text, sizeof(text), " of %a: %a, expected %a", x[i], a, b);
      wrong = what + text;
    };
    for (size_t i = 0; i < x.size(); ++i) expect(i, sum[i], 1.0f + expected[i], "sum");
    for (const Target target : SupportedTargets()) {
      FunctionsOf(target).exp(x.data(), kBlock, got.data());
      for (size_t i = 0; i < x.size(); ++i) expect(i, got[i], expected[i], "exp on " + std::string(Name(target)));
      FunctionsOf(target).one_plus(minus.data(), kBlock, got.data());
      for (size_t i = 0; i < x.size(); ++i) expect(i, got[i], sum[i], "sum on " + std::string(Name(target)));
    }
  });
  EXPECT_EQ(wrong, "");
}

}  // namespace
}  // namespace kvant
#endif  // HWY_ONCE
