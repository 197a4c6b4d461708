#include "kvant/numerics/fp_env.h"

#include <gtest/gtest.h>

#include <bit>
#include <cfenv>
#include <cstdint>
#include <limits>

namespace kvant {
namespace {

// The control register as the caller left it, by other means than the class under test.
#if defined(__x86_64__) || defined(__i386__)
#define KVANT_TEST_HAS_CONTROL 1
using Word = uint32_t;
Word Get() { return _mm_getcsr(); }
void Set(Word w) { _mm_setcsr(w); }
constexpr Word kDefault = 0x1F80, kFlags = 0x3F;
constexpr Word kFlushToZero = 0x8000, kInputsAreZero = 0x0040;
constexpr Word kDown = 0x2000, kUp = 0x4000, kTowardZero = 0x6000;
constexpr Word kDivideByZeroMask = 0x0200, kInexactFlag = 0x20, kInvalidFlag = 0x01;
// Every combination of flushing and rounding, and one with a trap on.
constexpr Word kOddStates[] = {
    kDefault,
    kDefault | kFlushToZero,
    kDefault | kInputsAreZero,
    kDefault | kFlushToZero | kInputsAreZero,
    kDefault | kDown,
    kDefault | kUp,
    kDefault | kTowardZero,
    kDefault | kTowardZero | kFlushToZero | kInputsAreZero,
    kDefault & ~kDivideByZeroMask,
};
#elif defined(__aarch64__)
#define KVANT_TEST_HAS_CONTROL 1
using Word = uint64_t;
Word Get() {
  Word w;
  __asm__ volatile("mrs %0, fpcr" : "=r"(w));
  return w;
}
void Set(Word w) { __asm__ volatile("msr fpcr, %0" : : "r"(w)); }
constexpr Word kDefault = 0, kFlags = 0;
constexpr Word kFlush = 1 << 24, kUp = 1 << 22, kDown = 2 << 22, kTowardZero = 3 << 22, kDefaultNaN = 1 << 25;
constexpr Word kOddStates[] = {kDefault, kFlush, kUp, kDown, kTowardZero, kTowardZero | kFlush | kDefaultNaN};
#endif

#if KVANT_TEST_HAS_CONTROL

// Volatile operands: the operation happens here and now, not when this was compiled.
float Add(float a, float b) {
  volatile float x = a, y = b;
  volatile float sum = x + y;
  return sum;
}
float Multiply(float a, float b) {
  volatile float x = a, y = b;
  volatile float product = x * y;
  return product;
}

constexpr float kSubnormal = 0x1p-140f;

void ExpectNearestWithSubnormals() {
  EXPECT_EQ(Add(1, 0x1p-24f), 1.0f);  // a tie, to even
  EXPECT_EQ(Add(1 + 0x1p-23f, 0x1p-24f), 1 + 0x1p-22f);
  EXPECT_EQ(Add(-1, -0x1.8p-24f), -1 - 0x1p-23f);
  EXPECT_EQ(Multiply(0x1p-100f, 0x1p-40f), kSubnormal);  // made, not flushed
  EXPECT_EQ(Multiply(kSubnormal, 0x1p40f), 0x1p-100f);   // read, not taken for zero
}

class FpEnvTest : public ::testing::Test {
 protected:
  ~FpEnvTest() override { Set(original_); }

 private:
  Word original_ = Get();
};

TEST_F(FpEnvTest, TheStatesOfThisTestAreOdd) {
  // What the tests below set does change results, as it should without an FpEnv.
  Set(kDefault | kUp);
  EXPECT_EQ(Add(1, 0x1p-30f), 1 + 0x1p-23f);
#if defined(__aarch64__)
  Set(kDefault | kFlush);
#else
  Set(kDefault | kFlushToZero | kInputsAreZero);
#endif
  EXPECT_EQ(Multiply(0x1p-100f, 0x1p-40f), 0);
  EXPECT_EQ(Multiply(kSubnormal, 0x1p40f), 0);
}

TEST_F(FpEnvTest, DefaultInsideRestoredAfter) {
  for (const Word state : kOddStates) {
    Set(state);
    {
      const FpEnv env(FpEnv::kDefault);
      EXPECT_EQ(Get() & ~kFlags, kDefault) << "state " << std::hex << state;
      ExpectNearestWithSubnormals();
    }
    EXPECT_EQ(Get() & ~kFlags, state & ~kFlags) << "state " << std::hex << state;
  }
}

TEST_F(FpEnvTest, FlushInsideRestoredAfter) {
  for (const Word state : kOddStates) {
    Set(state);
    {
      const FpEnv env(FpEnv::kFlush);
      EXPECT_EQ(Add(1 + 0x1p-23f, 0x1p-24f), 1 + 0x1p-22f) << "not to nearest even";
#if defined(__aarch64__)
      EXPECT_EQ(Multiply(0x1p-100f, 0x1p-40f), kSubnormal);
#else
      EXPECT_EQ(Multiply(0x1p-100f, 0x1p-40f), 0);
      EXPECT_EQ(Multiply(kSubnormal, 0x1p40f), 0);
#endif
    }
    EXPECT_EQ(Get() & ~kFlags, state & ~kFlags) << "state " << std::hex << state;
  }
}

TEST_F(FpEnvTest, Nests) {
  for (const Word state : kOddStates) {
    Set(state);
    {
      const FpEnv outer(FpEnv::kDefault);
      {
        const FpEnv flush(FpEnv::kFlush);
        const Word flushing = Get() & ~kFlags;
        {
          const FpEnv inner(FpEnv::kDefault);
          ExpectNearestWithSubnormals();
        }
        EXPECT_EQ(Get() & ~kFlags, flushing);
      }
      ExpectNearestWithSubnormals();
    }
    EXPECT_EQ(Get() & ~kFlags, state & ~kFlags);
  }
}

#if defined(__x86_64__) || defined(__i386__)

TEST_F(FpEnvTest, FlagsThatTheCallerRaisedStayRaised) {
  for (const Word state : kOddStates) {
    for (const FpEnv::Mode mode : {FpEnv::kDefault, FpEnv::kFlush}) {
      Set(state | kInvalidFlag);
      {
        const FpEnv env(mode);
        Add(1, 0x1p-30f);
      }
      EXPECT_EQ(Get() & kInvalidFlag, kInvalidFlag) << "state " << std::hex << state;
    }
  }
}

TEST_F(FpEnvTest, FlagsAloneAreNoReasonToWriteTheRegister) {
  // Where the caller's state is already the wanted one nothing is written, so a flag raised inside is there afterwards.
  Set(kDefault | kInvalidFlag);
  {
    const FpEnv env(FpEnv::kDefault);
    EXPECT_EQ(Get(), kDefault | kInvalidFlag);
    Add(1, 0x1p-30f);
  }
  EXPECT_EQ(Get(), kDefault | kInvalidFlag | kInexactFlag);
}

TEST_F(FpEnvTest, NothingTrapsInside) {
  Set(kDefault & ~kDivideByZeroMask);
  {
    const FpEnv env(FpEnv::kDefault);
    volatile float one = 1, zero = 0;
    volatile float quotient = one / zero;  // SIGFPE if the caller's trap were still on
    EXPECT_EQ(quotient, std::numeric_limits<float>::infinity());
  }
  EXPECT_EQ(Get() & kDivideByZeroMask, 0u);
}

#endif

TEST_F(FpEnvTest, AgreesWithTheStandardLibrary) {
  ASSERT_EQ(std::fesetround(FE_DOWNWARD), 0);
  {
    const FpEnv env(FpEnv::kDefault);
    EXPECT_EQ(Add(1, 0x1.8p-24f), 1 + 0x1p-23f);
  }
  EXPECT_EQ(std::fegetround(), FE_DOWNWARD);
  EXPECT_EQ(Add(1, 0x1.8p-24f), 1);
  std::fesetround(FE_TONEAREST);
}

#endif  // KVANT_TEST_HAS_CONTROL

}  // namespace
}  // namespace kvant
