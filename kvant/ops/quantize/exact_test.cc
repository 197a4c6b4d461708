// That no short cut moves a code: every 16-bit element against parameters at the ends of what the short cuts allow, and
// the golden vectors of every format.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "kvant/numerics/test_util.h"
#include "kvant/ops/quantize/problem_test_util.h"
#include "kvant/testing/each_target.h"

namespace kvant {
namespace {

using testing::kFormats;
using testing::QuantizeProblem;
using testing::Rng;
using testing::TestTensor;

TEST(Quantize, GoldenVectors) {
  const struct {
    const char* file;
    Format format;
    RoundMode mode;
  } kFiles[] = {{"int8", Format::kInt8, RoundMode::kRint},
                {"int4", Format::kInt4, RoundMode::kRint},
                {"float8_e4m3fn", Format::kFloat8E4M3FN, RoundMode::kRint},
                {"float8_e5m2", Format::kFloat8E5M2, RoundMode::kRint},
                {"hifloat8_round", Format::kHiFloat8, RoundMode::kRint},
                {"hifloat8_round", Format::kHiFloat8, RoundMode::kRound},
                {"hifloat8_hybrid", Format::kHiFloat8, RoundMode::kHybrid}};
  Rng rng(1);
  for (const auto& f : kFiles) {
    std::ifstream file(std::string(KVANT_SOURCE_DIR "/kvant/numerics/golden/") + f.file + ".txt");
    ASSERT_TRUE(file.is_open()) << f.file;
    std::vector<uint32_t> patterns;
    std::vector<uint8_t> codes;
    for (std::string line; std::getline(file, line);) {
      unsigned bits = 0, code = 0;
      if (std::sscanf(line.c_str(), "%x %x", &bits, &code) != 2) continue;
      patterns.push_back(bits);
      codes.push_back(static_cast<uint8_t>(code));
    }
    ASSERT_GT(codes.size(), 2000u) << f.file;
    if (codes.size() % 2 != 0) patterns.push_back(0), codes.push_back(0);
    std::vector<uint8_t> packed;
    for (size_t i = 0; i < codes.size(); i += 2) packed.push_back(static_cast<uint8_t>(codes[i] | codes[i + 1] << 4));
    QuantizeProblem p;
    p.format = f.format;
    p.round_mode = f.mode;
    p.x = TestTensor(DType::kFloat32, {static_cast<int64_t>(codes.size())}, rng);
    p.MakeY(rng);
    for (size_t i = 0; i < patterns.size(); ++i) p.x.Set(static_cast<int64_t>(i), patterns[i]);
    for (const bool per_channel : {false, true}) {
      p.scales = TestTensor(DType::kFloat32, {per_channel ? p.x.elements() : 1}, rng);
      p.scales.SetFloats(std::vector<float>(static_cast<size_t>(p.scales.elements()), 1.0f));
      for (const bool reciprocal : {false, true}) {
        p.reciprocal = reciprocal;
        testing::OnEachTarget([&](Target target) {
          EXPECT_EQ(p.Check(f.format == Format::kInt4 ? packed : codes, {}), "") << Name(target) << " " << f.file;
        });
      }
    }
  }
}

constexpr float kAboveHalfStep = 0x1.000002p-1f, kBelowHalfStep = 0x1.FFFFFEp-2f;

// Per tensor, a scale and a zero point at a time; per channel, where four rows make a panel divided fast, in columns.
void CheckEveryPattern(DType dtype, Format format, RoundMode mode, float scale, float zero, bool has_zero) {
  Rng rng(2);
  constexpr int64_t kPatterns = 0x10000;
  QuantizeProblem p;
  p.format = format;
  p.round_mode = mode;
  p.has_zero = has_zero;
  p.x = TestTensor(dtype, {kPatterns}, rng);
  // Neighbours are close in value, so that pieces without infinities and NaNs are divided fast.
  for (int64_t i = 0; i < kPatterns; ++i) p.x.Set(i, static_cast<uint16_t>(i));
  p.scales = p.zero_points = TestTensor(DType::kFloat32, {1}, rng);
  p.scales.Set(0, scale);
  p.zero_points.Set(0, zero);
  p.MakeY(rng);
  const std::vector<uint8_t> expected = p.Expected();
  QuantizeProblem columns = p;
  constexpr int64_t kWidth = kPatterns / 4;
  columns.x = TestTensor(dtype, {4, kWidth}, rng);
  columns.x.SetBytes(p.x.Bytes());
  columns.scales = columns.zero_points = TestTensor(DType::kFloat32, {kWidth}, rng);
  columns.scales.SetFloats(std::vector<float>(kWidth, scale));
  columns.zero_points.SetFloats(std::vector<float>(kWidth, zero));
  columns.MakeY(rng);
  testing::OnEachTarget([&](Target target) {
    EXPECT_EQ(p.Check(expected, {}), "") << Name(target);
    EXPECT_EQ(columns.Check(expected, {}), "") << Name(target) << ", columns";
  });
  for (QuantizeProblem* q : {&p, &columns}) q->reciprocal = true;
  const std::vector<uint8_t> products = p.Expected();
  testing::OnEachTarget([&](Target target) {
    EXPECT_EQ(p.Check(products, {}), "") << Name(target) << ", reciprocal";
    EXPECT_EQ(columns.Check(products, {}), "") << Name(target) << ", reciprocal columns";
  });
}

TEST(Quantize, EveryPatternAtTheEndsOfTheFastPath) {
  const float kScales[] = {0x1.555556p-7f, 0x1p-76f,   0x1.FFFFFEp-77f, 0x1p-118f, 0x1p-50f, 0x1.FFFFFEp-51f,
                           0x1.8p74f,      0x1.8p100f, 0x1p118f,        0x1p-149f, -0.25f};
  const float kZeros[] = {0.0f,      0.5f,   kAboveHalfStep, kBelowHalfStep, -7.5f, 0x1p-44f, -0x1.FFFFFEp-45f,
                          0x1p-140f, 1.0625f};
  // All of them, or some for each format and each scale, of which there is an odd number.
  const int stride = LongTests() ? 1 : SlowMachine() ? 8 : 2;
  int turn = 0;
  for (const DType dtype : {DType::kBFloat16, DType::kFloat16}) {
    for (const Format format : kFormats) {
      for (const RoundMode mode : {RoundMode::kRint, RoundMode::kHybrid}) {
        if (mode == RoundMode::kHybrid && format != Format::kHiFloat8) continue;
        for (const float scale : kScales) {
          if (++turn % stride != 0) continue;
          CheckEveryPattern(dtype, format, mode, scale, 0, /*has_zero=*/false);
          CheckEveryPattern(dtype, format, mode, scale, kZeros[static_cast<size_t>(turn) % std::size(kZeros)],
                            /*has_zero=*/true);
          if (HasFailure()) return;
        }
      }
    }
  }
}

// fp32 elements so small that quotients underflow, and neighbours of those for which the codes change.
TEST(Quantize, TinyElements) {
  Rng rng(3);
  for (const Format format : kFormats) {
    for (const float scale : {1.0f, 0x1.8p-3f, 3.0f, 0x1.FFFFFEp0f, 0x1.000002p20f, 0x1p-76f, 0x1.4p-50f}) {
      for (const float zero : {-0.0f, 0.0f, 0x1p-149f, -0x1p-44f, 0.5f, -2.5f}) {
        QuantizeProblem p;
        p.format = format;
        p.has_zero = !std::signbit(zero) || zero != 0;
        p.x = TestTensor(DType::kFloat32, {4096}, rng);
        p.x.ForEach([&](int64_t i, uint8_t*) {
          const uint32_t tiny = static_cast<uint32_t>(i % 2) << 31 | static_cast<uint32_t>(i / 2 % 64);
          const float near =
              std::bit_cast<float>(std::bit_cast<uint32_t>(zero + 0.5f) + static_cast<uint32_t>(i % 16) - 8);
          p.x.Set(i, i % 3 == 0 ? near * scale : std::ldexp(std::bit_cast<float>(tiny), static_cast<int>(i % 97)));
        });
        p.scales = p.zero_points = TestTensor(DType::kFloat32, {1}, rng);
        p.scales.Set(0, scale);
        p.zero_points.Set(0, zero);
        p.MakeY(rng);
        for (const bool reciprocal : {false, true}) {
          p.reciprocal = reciprocal;
          const std::vector<uint8_t> expected = p.Expected();
          testing::OnEachTarget([&](Target target) { EXPECT_EQ(p.Check(expected, {}), "") << Name(target); });
        }
      }
    }
  }
}

// Elements around the ties of every code and far beyond the codes, with zero points as far as codes need no quotients,
// and farther.
TEST(Quantize, BesideTies) {
  Rng rng(4);
  const float kZeros[] = {0, 0.5f, -0.49999997f, 127.25f, -128.25f, 127.250008f, -128.25002f, 55, -55, 1000.5f};
  const int rounds = SlowMachine() ? 1 : 10;
  for (const DType dtype : testing::kFloats) {
    for (const Format format : {Format::kInt8, Format::kInt4}) {
      for (const float zero : kZeros) {
        for (int round = 0; round < rounds; ++round) {
          constexpr int64_t kColumns = 4096;
          const auto positive = [&] {
            return std::ldexp(static_cast<float>(testing::Uniform(rng, 1 << 23, 1 << 24)), -30);
          };
          QuantizeProblem p;
          p.format = format;
          p.has_zero = zero != 0;
          const bool columns = round % 2 == 1;
          p.scales = TestTensor(DType::kFloat32, {columns ? kColumns : 1}, rng);
          p.scales.ForEach([&](int64_t i, uint8_t*) { p.scales.SetFloat(i, positive()); });
          p.zero_points = TestTensor(DType::kFloat32, {columns ? kColumns : 1}, rng);
          p.zero_points.ForEach(
              [&](int64_t i, uint8_t*) { p.zero_points.SetFloat(i, testing::OneIn(rng, 8) ? zero * 0.75f : zero); });
          p.x = TestTensor(dtype, {4, kColumns}, rng);
          p.x.ForEach([&](int64_t i, uint8_t*) {
            const int64_t column = columns ? i % kColumns : 0;
            const double tie = static_cast<double>(testing::Uniform(rng, -140, 140)) + 0.5;
            const double sum = testing::OneIn(rng, 50) ? tie * 1e4 : tie;
            const auto x = static_cast<float>((sum - static_cast<double>(p.zero_points.GetFloat(column))) *
                                              static_cast<double>(p.scales.GetFloat(column)));
            const auto nudge = static_cast<uint32_t>(testing::Uniform(rng, -4, 4));
            p.x.SetFloat(i, std::bit_cast<float>(std::bit_cast<uint32_t>(x) + nudge));
          });
          p.axis = -1;
          p.MakeY(rng);
          const std::vector<uint8_t> expected = p.Expected();
          testing::OnEachTarget([&](Target target) { EXPECT_EQ(p.Check(expected, {}), "") << Name(target); });
          if (HasFailure()) return;
        }
      }
    }
  }
}

// Zero by zero is a NaN, anything else by zero saturates, and an FP8 zero keeps its sign unless +0 is added.
TEST(Quantize, ZerosAndSigns) {
  Rng rng(4);
  const auto codes = [&](Format format, float scale, bool plus_zero) {
    QuantizeProblem p;
    p.format = format;
    p.x = TestTensor(DType::kFloat16, {6}, rng);
    p.x.SetFloats({0.0f, -0.0f, 1.0f, -1.0f, std::bit_cast<float>(0x7FC00000), std::bit_cast<float>(0xFF800000)});
    p.scales = p.zero_points = TestTensor(DType::kFloat32, {1}, rng);
    p.scales.Set(0, scale);
    p.zero_points.Set(0, 0.0f);
    p.has_zero = plus_zero;
    p.MakeY(rng);
    EXPECT_TRUE(Quantize(p.Args()).ok());
    return p.y.Bytes();
  };
  using Bytes = std::vector<uint8_t>;
  testing::OnEachTarget([&](Target target) {
    SCOPED_TRACE(std::string(Name(target)));
    EXPECT_EQ(codes(Format::kInt8, 0.0f, false), (Bytes{0, 0, 127, 128, 0, 128}));
    EXPECT_EQ(codes(Format::kInt8, 1.0f, false), (Bytes{0, 0, 1, 0xFF, 0, 128}));
    EXPECT_EQ(codes(Format::kFloat8E4M3FN, 0.0f, false), (Bytes{0x7F, 0x7F, 0x7E, 0xFE, 0x7F, 0xFE}));
    EXPECT_EQ(codes(Format::kFloat8E4M3FN, 1.0f, false), (Bytes{0x00, 0x80, 0x38, 0xB8, 0x7F, 0xFE}));
    EXPECT_EQ(codes(Format::kFloat8E4M3FN, 1.0f, true), (Bytes{0x00, 0x00, 0x38, 0xB8, 0x7F, 0xFE}));
    EXPECT_EQ(codes(Format::kFloat8E5M2, -0.0f, false), (Bytes{0x7F, 0x7F, 0xFB, 0x7B, 0x7F, 0x7B}));
    EXPECT_EQ(codes(Format::kHiFloat8, 1.0f, false), (Bytes{0x00, 0x00, 0x08, 0x88, 0x00, 0xEE}));
  });
}

}  // namespace
}  // namespace kvant
