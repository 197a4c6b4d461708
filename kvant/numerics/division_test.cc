// Proof by trying that a quotient corrected by its residual is the correctly rounded one: DivideBy of
// quotient.inc. Everything scales by powers of two and by signs, so significands decide, away from overflow and
// underflow.
//
// Pairs of 24 bits are too many to try, but few can go wrong. For x, s in [1, 2): the inverse is off by at most 2^-25
// and the first quotient by 1.5 units in its last place (by one where x >= s). Its residual is below 1.5 * 2^-23 and
// rounded by at most 2^-47, so what the last fma rounds is off by at most 1.75 * 2^-47. That changes the result only if
// x / s is as close to the middle between two floats. With x, s as integers those middles are m / 2^k, k = 24 where x
// >= s and 25 elsewhere, at a distance of |2^k x - m s| / (2^k s), so the numerator is at most 7. All pairs with that
// are tried.
#include <gtest/gtest.h>

#include <atomic>
#include <bit>
#include <cstdint>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "kvant/core/target.h"
#include "kvant/numerics/targets.h"
#include "kvant/numerics/test_util.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kvant/numerics/division_test.cc"
#include "hwy/foreach_target.h"
#include "kvant/numerics/lanes_hwy-inl.h"

#ifndef KVANT_NUMERICS_DIVISION_TEST_ONCE
#define KVANT_NUMERICS_DIVISION_TEST_ONCE
namespace kvant {
namespace {

// A significand is an integer from 2^23 to 2^24 - 1, and stands for the float that many units of 2^-23, in [1, 2).
constexpr uint32_t kFirst = 1 << 23, kLast = (1 << 24) - 1;

// Pairs x / s whose quotient comes out wrong, and one of them.
struct Mismatches {
  int64_t count = 0;
  float x = 0, s = 0;
};

// What is tested of one target; each adds what it finds.
struct DivisionFunctions {
  // Every x of 11 bits by the divisors `from` .. `from + n - 1`; n is a multiple of 64.
  void (*all_short)(uint32_t from, uint32_t n, Mismatches* found);
  // n random pairs with exponents from -16 to 15, rounded up to vectors.
  void (*random)(uint64_t seed, int64_t n, Mismatches* found);
  // Pairs from memory, n a multiple of 64.
  void (*pairs)(const float* x, const float* s, int64_t n, Mismatches* found);
};

}  // namespace
}  // namespace kvant
#endif  // KVANT_NUMERICS_DIVISION_TEST_ONCE

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

#include "kvant/numerics/quotient.inc"

namespace {

using L = VectorLanes;

// Bits that are set where a quotient corrected once differs from the true one.
KVANT_INLINE L::I DifferenceOnce(L::F x, L::F s, L::F inverse) {
  return L::Xor(L::Bits(DivideBy<false, L>(x, s, inverse)), L::Bits(L::Div(x, s)));
}

// The same, of one corrected once or twice.
KVANT_INLINE L::I Difference(L::F x, L::F s, L::F inverse) {
  return L::Or(DifferenceOnce(x, s, inverse), L::Xor(L::Bits(DivideBy<true, L>(x, s, inverse)), L::Bits(L::Div(x, s))));
}

KVANT_INLINE L::F Inverse(L::F s) { return L::Div(L::Set(1), s); }

KVANT_INLINE bool IsZero(L::I bits) { return hn::AllTrue(L::DI(), hn::Eq(bits, L::SetI(0))); }

// The lanes of pairs whose difference is known not to be zero.
HWY_NOINLINE void Count(L::F x, L::F s, L::I difference, Mismatches* found) {
  float xs[hn::MaxLanes(L::DF())], ss[hn::MaxLanes(L::DF())];
  int32_t bits[hn::MaxLanes(L::DF())];
  hn::StoreU(x, L::DF(), xs);
  hn::StoreU(s, L::DF(), ss);
  hn::StoreU(difference, L::DI(), bits);
  for (size_t i = 0; i < L::N(); ++i) {
    if (bits[i] == 0) continue;
    *found = {found->count + 1, xs[i], ss[i]};
  }
}

L::F Significands(uint32_t from) {
  return L::FloatOf(hn::Iota(L::DI(), static_cast<int32_t>(from - kFirst + 0x3F800000)));
}

void AllShort(uint32_t from, uint32_t n, Mismatches* found) {
  for (uint32_t at = from; at < from + n; at += L::N()) {
    const L::F s = Significands(at);
    const L::F inverse = Inverse(s);
    L::I any = L::SetI(0);
    for (int j = 1024; j < 2048; ++j) {
      any = L::Or(any, DifferenceOnce(L::Set(j * 0x1p-10f), s, inverse));
    }
    if (HWY_LIKELY(IsZero(any))) continue;
    for (int j = 1024; j < 2048; ++j) {
      const L::F x = L::Set(j * 0x1p-10f);
      Count(x, s, DifferenceOnce(x, s, inverse), found);
    }
  }
}

KVANT_INLINE L::I NextRandom(L::I r) {
  r = L::Xor(r, L::Shl<13>(r));
  r = L::Xor(r, L::Shr<17>(r));
  return L::Xor(r, L::Shl<5>(r));
}

// Random sign and significand, and an exponent from -16 to 15.
KVANT_INLINE L::F RandomFloat(L::I r) {
  return L::FloatOf(L::AddI(L::And(r, L::SetI(static_cast<int32_t>(0x8FFFFFFF))), L::SetI(111 << 23)));
}

void Random(uint64_t seed, int64_t n, Mismatches* found) {
  // A stream for each lane and operand, far apart.
  std::mt19937_64 seeds(seed);
  int32_t start[2][hn::MaxLanes(L::DF())];
  for (auto& operand : start) {
    for (int32_t& lane : operand) lane = static_cast<int32_t>(seeds() | 1);
  }
  L::I rx = hn::LoadU(L::DI(), start[0]), rs = hn::LoadU(L::DI(), start[1]);
  for (int64_t i = 0; i < n; i += static_cast<int64_t>(L::N())) {
    rx = NextRandom(rx);
    rs = NextRandom(rs);
    const L::F x = RandomFloat(rx), s = RandomFloat(rs);
    const L::I difference = Difference(x, s, Inverse(s));
    if (HWY_UNLIKELY(!IsZero(difference))) Count(x, s, difference, found);
  }
}

void Pairs(const float* xs, const float* ss, int64_t n, Mismatches* found) {
  for (int64_t i = 0; i < n; i += static_cast<int64_t>(L::N())) {
    const L::F x = L::Load(xs + i), s = L::Load(ss + i);
    const L::I difference = Difference(x, s, Inverse(s));
    if (HWY_UNLIKELY(!IsZero(difference))) Count(x, s, difference, found);
  }
}

DivisionFunctions Functions() { return {AllShort, Random, Pairs}; }

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

DivisionFunctions FunctionsOf(Target target) { KVANT_RETURN_FOR_TARGET(target, Functions(), DivisionFunctions{}) }

// Runs find(shard, &found) for all shards; fails and prints a pair where something is found.
template <class Find>
void ExpectNoMismatch(int shards, const Find& find) {
  std::mutex mutex;
  Mismatches all;
  ParallelEach(shards, [&](int shard) {
    Mismatches found;
    find(shard, &found);
    const std::lock_guard<std::mutex> lock(mutex);
    if (found.count != 0) all = {all.count + found.count, found.x, found.s};
  });
  EXPECT_EQ(all.count, 0) << std::hexfloat << "wrong for " << all.x << " / " << all.s;
}

// Pairs of significands, handed on in batches.
class PairList {
 public:
  PairList(const DivisionFunctions& functions, Mismatches* found) : functions_(functions), found_(found) {}
  ~PairList() { Flush(); }
  PairList(const PairList&) = delete;
  PairList& operator=(const PairList&) = delete;

  void Add(uint64_t x, uint64_t s) {
    if (x < kFirst || x > kLast || s < kFirst || s > kLast) return;
    x_[size_] = static_cast<float>(x) * 0x1p-23f;
    s_[size_] = static_cast<float>(s) * 0x1p-23f;
    if (++size_ == kBatch) Flush();
  }

 private:
  static constexpr int kBatch = 1 << 12;

  void Flush() {
    for (int i = size_; i < kBatch; ++i) x_[i] = s_[i] = 1;
    functions_.pairs(x_, s_, kBatch, found_);
    size_ = 0;
  }

  const DivisionFunctions& functions_;
  Mismatches* found_;
  float x_[kBatch], s_[kBatch];
  int size_ = 0;
};

// The inverse of an odd number modulo 2^32: each step doubles the number of correct bits, from 5.
uint32_t InverseOfOdd(uint32_t b) {
  uint32_t inverse = (3 * b) ^ 2;
  for (int i = 0; i < 3; ++i) inverse *= 2 - b * inverse;
  return inverse;
}

// All x for which 2^k x = m s + r with 0 < |r| <= 8 and m of 25 bits, so that x / s = m / 2^k + r / (2^k s). For odd m
// that is next to the middle between two floats, for even m next to a float.
void AddNextToTies(uint32_t s, PairList* pairs) {
  const int zeros = std::countr_zero(s);
  const uint32_t inverse = InverseOfOdd(s >> zeros);
  for (const int k : {24, 25}) {
    const uint32_t modulus = uint32_t{1} << (k - zeros);
    for (int64_t r = int64_t{1} << zeros; r <= 8; r += int64_t{1} << zeros) {
      for (const int64_t rest : {r, -r}) {
        const auto first = static_cast<uint32_t>(-(rest >> zeros)) * inverse % modulus;
        for (uint64_t m = first; m < uint64_t{1} << 25; m += modulus) {
          if (m < uint64_t{1} << 24) continue;
          pairs->Add((m * s + static_cast<uint64_t>(rest)) >> k, s);
        }
      }
    }
  }
}

class DivisionTest : public ::testing::TestWithParam<Target> {
 protected:
  const DivisionFunctions functions_ = FunctionsOf(GetParam());
  // The operations are IEEE's everywhere, so the best target tries every divisor, or block of divisors, and the others
  // one in 61.
  const uint32_t step_ = SlowMachine() ? 1021 : GetParam() == SupportedTargets().front() ? 1 : 61;
};

// 2^33 pairs: fp16 has 11 bits, bf16 has 8 of them.
TEST_P(DivisionTest, ExactForEvery16BitNumberAndEveryScale) {
  constexpr uint32_t kBlock = 1 << 10, kBlocks = (1 << 23) / kBlock;
  ExpectNoMismatch(static_cast<int>((kBlocks + step_ - 1) / step_), [&](int shard, Mismatches* found) {
    functions_.all_short(kFirst + static_cast<uint32_t>(shard) * step_ * kBlock, kBlock, found);
  });
}

TEST_P(DivisionTest, ExactForRandomPairs) {
  const int64_t pairs = LongTests() ? int64_t{1} << 36 : SlowMachine() ? 1 << 20 : 1 << 28;
  constexpr int kShards = 64;
  ExpectNoMismatch(kShards, [&](int shard, Mismatches* found) {
    functions_.random(static_cast<uint64_t>(shard), pairs / kShards, found);
  });
}

TEST_P(DivisionTest, ExactForAllPairsNextToATie) {
  constexpr uint32_t kBlock = 1 << 13;
  ExpectNoMismatch((1 << 23) / kBlock, [&](int shard, Mismatches* found) {
    PairList pairs(functions_, found);
    const uint32_t from = kFirst + static_cast<uint32_t>(shard) * kBlock;
    for (uint32_t s = from; s < from + kBlock; s += step_) AddNextToTies(s, &pairs);
  });
}

// Divisors just above 1 and just below 2, where the inverse's error is largest against its last bit, by every x.
TEST_P(DivisionTest, ExactForDivisorsNearPowersOfTwo) {
  const uint32_t step = SlowMachine() ? 1021 : 1;
  ExpectNoMismatch(32, [&](int shard, Mismatches* found) {
    PairList pairs(functions_, found);
    const auto distance = static_cast<uint32_t>(shard) / 2;
    const uint32_t s = shard % 2 == 0 ? kLast - distance : kFirst + distance;
    for (uint32_t x = kFirst; x <= kLast; x += step) pairs.Add(x, s);
  });
}

TEST_P(DivisionTest, ExactForPatterns) {
  std::vector<uint64_t> patterns;
  for (int k = 0; k < 24; ++k) {
    for (uint64_t d = 0; d < (SlowMachine() ? 1 : 8); ++d) {
      for (const uint64_t base : {uint64_t{kFirst} + (1 << k), uint64_t{1} << 24, uint64_t{3} << 22}) {
        patterns.push_back(base - (1 << k) + d);
        patterns.push_back(base - (1 << k) - d);
      }
      patterns.push_back(kFirst + (1 << k) + d);
      patterns.push_back((0xAAAAAA ^ (1 << k)) + d);
    }
  }
  ExpectNoMismatch(1, [&](int, Mismatches* found) {
    PairList pairs(functions_, found);
    for (const uint64_t x : patterns) {
      for (const uint64_t s : patterns) pairs.Add(x, s);
    }
    // Products close to a power of two.
    std::mt19937_64 random(17);
    for (int i = 0; i < (SlowMachine() ? 1 << 12 : 1 << 18); ++i) {
      const uint64_t s = kFirst + random() % kFirst;
      for (const int power : {46, 47}) {
        const uint64_t x = (uint64_t{1} << power) / s;
        for (uint64_t d = 0; d < 5; ++d) pairs.Add(x - 2 + d, s);
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(All, DivisionTest, ::testing::ValuesIn(SimdTargets()),
                         [](const auto& info) { return std::string(Name(info.param)); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DivisionTest);

}  // namespace
}  // namespace kvant
#endif  // HWY_ONCE
