// On every SIMD target: the vector codecs against the scalar ones, and codes on their way to memory. KVANT_LONG_TESTS=1
// compares the codecs over all 2^32 floats.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "kvant/core/half.h"
#include "kvant/core/macros.h"
#include "kvant/core/target.h"
#include "kvant/formats/format.h"
#include "kvant/numerics/lanes_scalar.h"
#include "kvant/numerics/targets.h"
#include "kvant/numerics/test_util.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kvant/formats/codec_simd_test.cc"
#include "hwy/foreach_target.h"
#include "kvant/formats/store-inl.h"
#include "kvant/numerics/quad_lanes-inl.h"

// X(name, codec): what is compared, over lanes L. HIFLOAT8 counts twice.
#define KVANT_TEST_CODECS(X, L)                              \
  X(int8, Int8Codec<L>)                                      \
  X(int4, Int4Codec<L>)                                      \
  X(float8_e4m3fn, Float8E4M3FNCodec<L>)                     \
  X(float8_e5m2, Float8E5M2Codec<L>)                         \
  X(hifloat8_round, HiFloat8Codec<L KVANT_TEST_COMMA false>) \
  X(hifloat8_hybrid, HiFloat8Codec<L KVANT_TEST_COMMA true>)
#define KVANT_TEST_COMMA ,

#ifndef KVANT_FORMATS_CODEC_SIMD_TEST_ONCE
#define KVANT_FORMATS_CODEC_SIMD_TEST_ONCE
namespace kvant {
namespace {

// One codec over arrays; n is a multiple of 64, the most lanes there are.
struct CodecFunctions {
  const char* name;
  void (*encode)(const float* v, int64_t n, int32_t* codes);
  void (*encode_number)(const float* v, int64_t n, int32_t* codes);
  void (*encode_in_range)(const float* v, int64_t n, int32_t* codes);
  void (*decode)(const int32_t* codes, int64_t n, float* v);
};
constexpr int kNumCodecs = 6;

// What is tested of one target.
struct TargetFunctions {
  CodecFunctions codecs[kNumCodecs];
  size_t lanes;
  void (*store4_signed)(const int32_t* codes, uint8_t* to, bool stream);
  void (*store4_unsigned)(const int32_t* codes, uint8_t* to, bool stream);
  void (*store8_nibbles)(const int32_t* codes, uint8_t* to, bool stream);
};

}  // namespace
}  // namespace kvant
#endif  // KVANT_FORMATS_CODEC_SIMD_TEST_ONCE

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {
namespace {

#include "kvant/formats/codecs.inc"
#if !HWY_HAVE_SCALABLE
#include "kvant/formats/hifloat8_quad.inc"
#endif

using L = VectorLanes;

// The lanes that kernels encode with.
#if HWY_HAVE_SCALABLE
using Wide = VectorLanes;
size_t WideN() { return L::N(); }
KVANT_INLINE void Put(Wide::I codes, int32_t* to) { hn::StoreU(codes, L::DI(), to); }
#else
using Wide = QuadLanes;
size_t WideN() { return 4 * L::N(); }
KVANT_INLINE void Put(Wide::I codes, int32_t* to) {
  const size_t n = L::N();
  hn::StoreU(codes.a, L::DI(), to);
  hn::StoreU(codes.b, L::DI(), to + n);
  hn::StoreU(codes.c, L::DI(), to + 2 * n);
  hn::StoreU(codes.d, L::DI(), to + 3 * n);
}
#endif

template <class Codec>
void EncodeAll(const float* v, int64_t n, int32_t* codes) {
  for (int64_t i = 0; i < n; i += WideN()) Put(Codec::Encode(Wide::Load(v + i)), codes + i);
}
template <class Codec>
void EncodeNumbers(const float* v, int64_t n, int32_t* codes) {
  for (int64_t i = 0; i < n; i += WideN()) Put(Codec::EncodeNumber(Wide::Load(v + i)), codes + i);
}
template <class Codec>
void EncodeAllInRange(const float* v, int64_t n, int32_t* codes) {
  for (int64_t i = 0; i < n; i += WideN()) Put(Codec::EncodeInRange(Wide::Load(v + i)), codes + i);
}
template <class Codec>
void DecodeAll(const int32_t* codes, int64_t n, float* v) {
  for (int64_t i = 0; i < n; i += L::N()) hn::StoreU(Codec::Decode(hn::LoadU(L::DI(), codes + i)), L::DF(), v + i);
}

KVANT_INLINE Codes CodesAt(const int32_t* codes, size_t vector) { return hn::LoadU(L::DI(), codes + vector * L::N()); }

template <bool kSigned>
void StoreFour(const int32_t* c, uint8_t* to, bool stream) {
  Store4<kSigned>(CodesAt(c, 0), CodesAt(c, 1), CodesAt(c, 2), CodesAt(c, 3), to, stream);
}

void StoreEight(const int32_t* c, uint8_t* to, bool stream) {
  Store8Nibbles(CodesAt(c, 0), CodesAt(c, 1), CodesAt(c, 2), CodesAt(c, 3), CodesAt(c, 4), CodesAt(c, 5), CodesAt(c, 6),
                CodesAt(c, 7), to, stream);
}

TargetFunctions Functions() {
  TargetFunctions f{{
#define KVANT_ROW(name, Codec) {#name, EncodeAll<Codec>, EncodeNumbers<Codec>, EncodeAllInRange<Codec>, nullptr},
                        KVANT_TEST_CODECS(KVANT_ROW, Wide)
#undef KVANT_ROW
                    },
                    L::N(),
                    StoreFour<true>,
                    StoreFour<false>,
                    StoreEight};
  int codec = 0;
#define KVANT_ROW(name, Codec) f.codecs[codec++].decode = DecodeAll<Codec>;
  KVANT_TEST_CODECS(KVANT_ROW, L)
#undef KVANT_ROW
  return f;
}

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

#include "kvant/formats/codecs.inc"

using L = ScalarLanes;

template <class Codec>
void EncodeAll(const float* v, int64_t n, int32_t* codes) {
  for (int64_t i = 0; i < n; ++i) codes[i] = Codec::Encode(v[i]);
}
template <class Codec>
void DecodeAll(const int32_t* codes, int64_t n, float* v) {
  for (int64_t i = 0; i < n; ++i) v[i] = Codec::Decode(codes[i]);
}

// Encode says what the other two give for the inputs that they take.
constexpr CodecFunctions kScalar[kNumCodecs] = {
#define KVANT_ROW(name, Codec) {#name, EncodeAll<Codec>, nullptr, nullptr, DecodeAll<Codec>},
    KVANT_TEST_CODECS(KVANT_ROW, L)
#undef KVANT_ROW
};

TargetFunctions FunctionsOf(Target target) { KVANT_RETURN_FOR_TARGET(target, Functions(), TargetFunctions{}) }

// What Encode, EncodeNumber and EncodeInRange take.
bool Any(int, float) { return true; }
bool Number(int, float v) { return !std::isnan(v); }
bool InRange(int codec, float v) {
  constexpr float kLimits[] = {127.5f, 7.5f, 464.0f, 61440.0f};
  return codec < 4 ? std::fabs(v) < kLimits[codec] : !std::isnan(v);
}

struct Param {
  Target target;
  int codec;
};
std::string NameOf(const Param& p) { return std::string(Name(p.target)) + "_" + kScalar[p.codec].name; }
void PrintTo(const Param& p, std::ostream* out) { *out << NameOf(p); }

std::vector<Param> Params() {
  std::vector<Param> params;
  for (const Target target : SimdTargets()) {
    for (int codec = 0; codec < kNumCodecs; ++codec) params.push_back({target, codec});
  }
  return params;
}

class SimdCodecTest : public ::testing::TestWithParam<Param> {
 protected:
  static constexpr int64_t kBatch = 1 << 12;

  // How many codes of a batch of inputs differ; names the first.
  int64_t Differences(const float* v) const {
    int32_t expected[kBatch];
    scalar_.encode(v, kBatch, expected);
    return Compare("Encode", simd_.encode, Any, v, expected) +
           Compare("EncodeNumber", simd_.encode_number, Number, v, expected) +
           Compare("EncodeInRange", simd_.encode_in_range, InRange, v, expected);
  }

  const CodecFunctions simd_ = FunctionsOf(GetParam().target).codecs[GetParam().codec];
  const CodecFunctions scalar_ = kScalar[GetParam().codec];

 private:
  // Inputs that the function does not take become 0, whose code is 0 in all formats.
  static int64_t Compare(const char* what, void (*encode)(const float* v, int64_t n, int32_t* codes),
                         bool (*takes)(int codec, float v), const float* v, const int32_t* expected) {
    float inputs[kBatch];
    int32_t codes[kBatch];
    const int codec = GetParam().codec;
    for (int64_t i = 0; i < kBatch; ++i) inputs[i] = takes(codec, v[i]) ? v[i] : 0;
    encode(inputs, kBatch, codes);
    int64_t differing = 0;
    for (int64_t i = 0; i < kBatch; ++i) {
      const int32_t code = takes(codec, v[i]) ? expected[i] : 0;
      if (codes[i] != code && differing++ == 0) {
        ADD_FAILURE() << what << " of " << std::hex << std::bit_cast<uint32_t>(v[i]) << " is " << codes[i]
                      << ", expected " << code;
      }
    }
    return differing;
  }
};

TEST_P(SimdCodecTest, EveryFloat16AndBFloat16) {
  std::vector<float> v;
  for (uint32_t p = 0; p < 1 << 16; ++p) v.push_back(ToFloat32(Float16{static_cast<uint16_t>(p)}));
  for (uint32_t p = 0; p < 1 << 16; ++p) v.push_back(ToFloat32(BFloat16{static_cast<uint16_t>(p)}));
  for (size_t i = 0; i < v.size(); i += kBatch) ASSERT_EQ(Differences(v.data() + i), 0);
}

TEST_P(SimdCodecTest, SampleOfFloat32) {
  std::mt19937 random(7);
  std::vector<float> v(kBatch);
  for (uint32_t batch = 0; batch < 1 << 10; batch += SlowMachine() ? 31 : 1) {
    for (uint32_t i = 0; i < kBatch; ++i) v[i] = std::bit_cast<float>((batch * uint32_t{kBatch} + i) << 10 | i % 1021);
    ASSERT_EQ(Differences(v.data()), 0);
    // Random, half of it with exponents that formats have.
    for (uint32_t i = 0; i < kBatch; ++i) {
      const uint32_t bits = random();
      const uint32_t near = (bits & 0x807FFFFF) | (100 + bits % 47) << 23;
      v[i] = std::bit_cast<float>(i % 2 == 0 ? bits : near);
    }
    ASSERT_EQ(Differences(v.data()), 0);
  }
}

TEST_P(SimdCodecTest, EveryFloat32) {
  if (!LongTests()) GTEST_SKIP() << "a minute for 2^32 inputs: set KVANT_LONG_TESTS=1";
  std::atomic<int64_t> differing{0};
  ParallelEach(1 << 10, [&](int block) {
    std::vector<float> v(kBatch);
    for (uint32_t batch = 0; batch < 1 << 10; ++batch) {
      const uint32_t first = (static_cast<uint32_t>(block) << 10 | batch) * uint32_t{kBatch};
      for (uint32_t i = 0; i < kBatch; ++i) v[i] = std::bit_cast<float>(first + i);
      differing += Differences(v.data());
    }
  });
  EXPECT_EQ(differing.load(), 0);
}

TEST_P(SimdCodecTest, EveryCodeDecodes) {
  int32_t codes[256];
  for (int i = 0; i < 256; ++i) codes[i] = std::string_view(simd_.name).starts_with("int") ? i - 128 : i;
  float vector[256], scalar[256];
  simd_.decode(codes, 256, vector);
  scalar_.decode(codes, 256, scalar);
  for (int i = 0; i < 256; ++i) {
    EXPECT_EQ(std::bit_cast<uint32_t>(vector[i]), std::bit_cast<uint32_t>(scalar[i])) << "code " << codes[i];
  }
}

INSTANTIATE_TEST_SUITE_P(All, SimdCodecTest, ::testing::ValuesIn(Params()),
                         [](const auto& info) { return NameOf(info.param); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SimdCodecTest);

class StoreTest : public ::testing::TestWithParam<Target> {
 protected:
  using StoreFunction = void (*)(const int32_t* codes, uint8_t* to, bool stream);

  // Stores `count` codes of [low, high] often, at all offsets from a cache line, and compares all bytes around.
  void ExpectPlainOrder(StoreFunction store, size_t count, int low, int high,
                        void (*plain)(const std::vector<int32_t>&, uint8_t*)) {
    std::mt19937 random(11);
    std::vector<int32_t> codes(count);
    for (size_t round = 0; round < 500; ++round) {
      for (int32_t& c : codes) c = low + static_cast<int32_t>(random() % static_cast<uint32_t>(high - low + 1));
      const bool stream = round % 5 == 0;  // streaming stores are for aligned memory
      const size_t offset = kGuard + (stream ? 0 : round % 64);
      std::fill(std::begin(memory_), std::end(memory_), 0x5A);
      store(codes.data(), memory_ + offset, stream);
      std::vector<uint8_t> expected(sizeof(memory_), 0x5A);
      plain(codes, expected.data() + offset);
      ASSERT_EQ(std::memcmp(memory_, expected.data(), sizeof(memory_)), 0) << "round " << round;
    }
  }

  static void OneByteEach(const std::vector<int32_t>& codes, uint8_t* to) {
    for (const int32_t code : codes) *to++ = static_cast<uint8_t>(code);
  }
  static void LowNibbleFirst(const std::vector<int32_t>& codes, uint8_t* to) {
    for (size_t i = 0; i < codes.size(); i += 2)
      *to++ = static_cast<uint8_t>((codes[i] & 15) + 16 * (codes[i + 1] & 15));
  }

  static constexpr size_t kGuard = 256;
  alignas(256) uint8_t memory_[kGuard + 64 + 256 + kGuard];
  const TargetFunctions functions_ = FunctionsOf(GetParam());
};

TEST_P(StoreTest, SignedBytes) {
  ExpectPlainOrder(functions_.store4_signed, 4 * functions_.lanes, -128, 127, OneByteEach);
}
TEST_P(StoreTest, UnsignedBytes) {
  ExpectPlainOrder(functions_.store4_unsigned, 4 * functions_.lanes, 0, 255, OneByteEach);
}
TEST_P(StoreTest, Nibbles) { ExpectPlainOrder(functions_.store8_nibbles, 8 * functions_.lanes, -8, 7, LowNibbleFirst); }

INSTANTIATE_TEST_SUITE_P(All, StoreTest, ::testing::ValuesIn(SimdTargets()),
                         [](const auto& info) { return std::string(Name(info.param)); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreTest);

}  // namespace
}  // namespace kvant
#endif  // HWY_ONCE
