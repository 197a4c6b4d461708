// Every verb of VectorLanes against the same verb on one float, on every SIMD target.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "kvant/core/half.h"
#include "kvant/core/target.h"
#include "kvant/numerics/lanes_scalar.h"
#include "kvant/numerics/targets.h"
#include "kvant/numerics/test_util.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kvant/numerics/lanes_test.cc"
#include "hwy/foreach_target.h"
#include "kvant/numerics/lanes_hwy-inl.h"

#ifndef KVANT_NUMERICS_LANES_TEST_ONCE
#define KVANT_NUMERICS_LANES_TEST_ONCE

// X(name, value): an expression of type I over floats a, b, c; numbers p, q, never -0; m in the range of int32;
// integers i, j; and n from 0 to 31.
#define KVANT_TEST_VERBS(X)                                              \
  X(Set, L::Bits(L::Set(-1.5f)))                                         \
  X(Add, KVANT_TEST_BITS(L::Add(a, b)))                                  \
  X(Sub, KVANT_TEST_BITS(L::Sub(a, b)))                                  \
  X(Mul, KVANT_TEST_BITS(L::Mul(a, b)))                                  \
  X(Div, KVANT_TEST_BITS(L::Div(a, b)))                                  \
  X(Min, L::Bits(L::Min(p, q)))                                          \
  X(Max, L::Bits(L::Max(p, q)))                                          \
  X(AtLeast, KVANT_TEST_BITS(L::AtLeast(a, L::Set(-0.75f))))             \
  X(AtMost, KVANT_TEST_BITS(L::AtMost(a, L::Set(0.75f))))                \
  X(MulAdd, KVANT_TEST_BITS(L::MulAdd(a, b, c)))                         \
  X(NegMulAdd, KVANT_TEST_BITS(L::NegMulAdd(a, b, c)))                   \
  X(ErrorOfMul, KVANT_TEST_BITS(L::NegMulAdd(a, b, L::Mul(a, b))))       \
  X(ProductThenSum, KVANT_TEST_BITS(L::Sub(L::Mul(a, b), L::Mul(b, a)))) \
  X(Select, L::Bits(L::Select(L::Lt(a, b), b, c)))                       \
  X(FloatOf, L::Bits(L::FloatOf(i)))                                     \
  X(ToFloat, L::Bits(L::ToFloat(i)))                                     \
  X(SetI, L::SetI(-123456789))                                           \
  X(AddI, L::AddI(i, j))                                                 \
  X(SubI, L::SubI(i, j))                                                 \
  X(MinI, L::MinI(i, j))                                                 \
  X(MaxI, L::MaxI(i, j))                                                 \
  X(And, L::And(i, j))                                                   \
  X(Or, L::Or(i, j))                                                     \
  X(Xor, L::Xor(i, j))                                                   \
  X(BitSelect, L::BitSelect(L::Bits(a), i, j))                           \
  X(Shl1, L::template Shl<1>(i))                                         \
  X(Shl23, L::template Shl<23>(i))                                       \
  X(Shr1, L::template Shr<1>(i))                                         \
  X(Shr24, L::template Shr<24>(i))                                       \
  X(Shr31, L::template Shr<31>(i))                                       \
  X(Sar1, L::template Sar<1>(i))                                         \
  X(Sar31, L::template Sar<31>(i))                                       \
  X(ShlV, L::ShlV(i, n))                                                 \
  X(ShrV, L::ShrV(i, n))                                                 \
  X(Lt, L::SelectI(L::Lt(a, b), i, j))                                   \
  X(LtOfEqual, L::SelectI(L::Lt(a, a), i, j))                            \
  X(IsNaN, L::SelectI(L::IsNaN(a), i, j))                                \
  X(GtI, L::SelectI(L::GtI(i, j), L::SetI(1), L::SetI(0)))               \
  X(EqI, L::SelectI(L::EqI(i, j), L::SetI(1), L::SetI(0)))               \
  X(Bits, L::Bits(a))                                                    \
  X(RoundToInt, L::RoundToInt(m))                                        \
  X(RoundToIntOfHalves, L::RoundToInt(L::Mul(L::ToFloat(L::template Sar<9>(i)), L::Set(0.5f))))
// Which NaN an operation makes differs between machines.
#define KVANT_TEST_BITS(v) L::Bits(L::Select(L::IsNaN(v), L::Set(7.0f), v))

namespace kvant {
namespace {

constexpr int64_t kTuples = 1 << 14;

struct Operands {
  std::vector<float> a, b, c, p, q, m;
  std::vector<int32_t> i, j, n;
};

constexpr const char* kVerbs[] = {
#define KVANT_ROW(name, value) #name,
    KVANT_TEST_VERBS(KVANT_ROW)
#undef KVANT_ROW
};
using Results = std::vector<std::vector<int32_t>>;  // [verb][tuple]

// What is tested of one target.
struct TargetFunctions {
  void (*apply)(const Operands&, Results*);
  void (*load_float16)(const Float16* from, int64_t n, float* to);
  void (*load_bfloat16)(const BFloat16* from, int64_t n, float* to);
  void (*load_float32)(const float* from, int64_t n, float* to);
};

}  // namespace
}  // namespace kvant
#endif  // KVANT_NUMERICS_LANES_TEST_ONCE

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {
namespace {

void Apply(const Operands& operands, Results* results) {
  using L = VectorLanes;
  for (int64_t at = 0; at < kTuples; at += L::N()) {
    const auto load = [at](const auto& values) HWY_ATTR {
      return hn::LoadU(hn::ScalableTag<std::decay_t<decltype(values[0])>>(), values.data() + at);
    };
    const L::F a = load(operands.a), b = load(operands.b), c = load(operands.c);
    const L::F p = load(operands.p), q = load(operands.q), m = load(operands.m);
    const L::I i = load(operands.i), j = load(operands.j), n = load(operands.n);
    int verb = 0;
#define KVANT_ROW(name, value) hn::StoreU(value, L::DI(), (*results)[verb++].data() + at);
    KVANT_TEST_VERBS(KVANT_ROW)
#undef KVANT_ROW
  }
}

template <class T>
void LoadAll(const T* from, int64_t n, float* to) {
  using L = VectorLanes;
  for (int64_t at = 0; at < n; at += L::N()) hn::StoreU(L::Load(from + at), L::DF(), to + at);
}

TargetFunctions Functions() { return {Apply, LoadAll<Float16>, LoadAll<BFloat16>, LoadAll<float>}; }

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

using L = ScalarLanes;

Results Expected(const Operands& operands) {
  Results results(std::size(kVerbs));
  for (int64_t at = 0; at < kTuples; ++at) {
    const float a = operands.a[at], b = operands.b[at], c = operands.c[at];
    const float p = operands.p[at], q = operands.q[at], m = operands.m[at];
    const int32_t i = operands.i[at], j = operands.j[at], n = operands.n[at];
    int verb = 0;
#define KVANT_ROW(name, value) results[verb++].push_back(value);
    KVANT_TEST_VERBS(KVANT_ROW)
#undef KVANT_ROW
  }
  return results;
}

// Random bits, random numbers of ordinary size, and the values where rules change.
Operands MakeOperands() {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kSpecial[] = {0.0f,
                                -0.0f,
                                1.0f,
                                -1.0f,
                                0.5f,
                                -0.5f,
                                1.5f,
                                2.5f,
                                -2.5f,
                                0x1p-149f,
                                -0x1p-149f,
                                0x1p-126f,
                                8388607.5f,
                                0x1.fffffep127f,
                                kInfinity,
                                -kInfinity,
                                std::numeric_limits<float>::quiet_NaN()};
  std::mt19937 random(13);
  const auto bits = [&] { return static_cast<uint32_t>(random()); };
  const auto any = [&] {
    switch (bits() % 4) {
      case 0:
        return kSpecial[bits() % std::size(kSpecial)];
      case 1:
        return std::bit_cast<float>(bits());
      default:
        return std::bit_cast<float>((bits() & 0x807FFFFF) | (117 + bits() % 20) << 23);
    }
  };
  const auto number = [&] {
    const float v = any();
    return std::isnan(v) ? 1.0f : v == 0 ? 0.0f : v;
  };
  const auto integer = [&] {
    const auto v = static_cast<int32_t>(bits());
    return v % 4 != 0 ? v : v % 3 == 0 ? INT32_MIN : v % 9;
  };
  Operands o;
  for (int64_t t = 0; t < kTuples; ++t) {
    const bool equal = t % 16 == 0;
    o.a.push_back(any());
    o.b.push_back(equal ? o.a.back() : any());
    o.c.push_back(any());
    o.p.push_back(number());
    o.q.push_back(equal ? o.p.back() : number());
    o.m.push_back(std::fmax(std::fmin(number(), 2147483520.0f), -2147483648.0f));
    o.i.push_back(integer());
    o.j.push_back(equal ? o.i.back() : integer());
    o.n.push_back(static_cast<int32_t>(bits() % 32));
  }
  return o;
}

TargetFunctions FunctionsOf(Target target) { KVANT_RETURN_FOR_TARGET(target, Functions(), TargetFunctions{}) }

class LanesTest : public ::testing::TestWithParam<Target> {
 protected:
  const TargetFunctions functions_ = FunctionsOf(GetParam());
};

TEST_P(LanesTest, EveryVerbEqualsTheScalarOne) {
  const Operands o = MakeOperands();
  const Results expected = Expected(o);
  Results results(std::size(kVerbs), std::vector<int32_t>(kTuples));
  functions_.apply(o, &results);
  for (size_t verb = 0; verb < std::size(kVerbs); ++verb) {
    for (int64_t t = 0; t < kTuples; ++t) {
      ASSERT_EQ(results[verb][t], expected[verb][t])
          << kVerbs[verb] << " of" << std::hexfloat << " a " << o.a[t] << " b " << o.b[t] << " c " << o.c[t] << " p "
          << o.p[t] << " q " << o.q[t] << " m " << o.m[t] << std::hex << " i " << o.i[t] << " j " << o.j[t] << " n "
          << o.n[t];
    }
  }
}

template <class T>
void ExpectLoads(void (*load)(const T*, int64_t, float*), const std::vector<T>& values) {
  // One element off, so that no vector is aligned.
  std::vector<T> shifted = values;
  shifted.insert(shifted.begin(), T{});
  std::vector<float> loaded(values.size());
  load(shifted.data() + 1, static_cast<int64_t>(values.size()), loaded.data());
  for (size_t i = 0; i < values.size(); ++i) {
    const float expected = ToFloat32(values[i]);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(loaded[i])) << "element " << i;
    } else {
      ASSERT_EQ(std::bit_cast<uint32_t>(loaded[i]), std::bit_cast<uint32_t>(expected)) << "element " << i;
    }
  }
}

TEST_P(LanesTest, LoadsEveryFloat16AndBFloat16) {
  std::vector<Float16> halves;
  std::vector<BFloat16> brains;
  for (uint32_t p = 0; p < 1 << 16; ++p) {
    halves.push_back({static_cast<uint16_t>(p)});
    brains.push_back({static_cast<uint16_t>(p)});
  }
  ExpectLoads(functions_.load_float16, halves);
  ExpectLoads(functions_.load_bfloat16, brains);
  ExpectLoads(functions_.load_float32, MakeOperands().a);
}

INSTANTIATE_TEST_SUITE_P(All, LanesTest, ::testing::ValuesIn(SimdTargets()),
                         [](const auto& info) { return std::string(Name(info.param)); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LanesTest);

}  // namespace
}  // namespace kvant
#endif  // HWY_ONCE
