// The scalar codecs against what formats are by definition: a list of values, and a rule for what lies between them.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <functional>
#include <limits>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "kvant/core/half.h"
#include "kvant/core/macros.h"
#include "kvant/formats/format.h"
#include "kvant/numerics/lanes_scalar.h"

namespace kvant {
namespace {

#include "kvant/formats/codecs.inc"

using L = ScalarLanes;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Value {
  double number;
  int code;
};

// A format as the test knows it. Integer formats list all their values, the others those that are not negative.
struct Expected {
  std::string name;
  std::vector<Value> values;  // ascending, finite
  int nan_code;
  // Between two neighbours, the nearer one; half way, the one this returns.
  std::function<Value(const Value& below, const Value& above)> tie;
  // Codes that encoding never gives: what their value is, and its code.
  struct Special {
    int code;
    float number;  // by its bits; NaNs are 7fc00000
    int again;
  };
  std::vector<Special> special;
};

Value ToEvenCode(const Value& below, const Value& above) { return below.code % 2 == 0 ? below : above; }
Value AwayFromZero(const Value&, const Value& above) { return above; }

Expected Integers(std::string name, int low, int high) {
  Expected e{std::move(name), {}, 0, ToEvenCode, {}};
  for (int v = low; v <= high; ++v) e.values.push_back({static_cast<double>(v), v});
  return e;
}

Expected Fp8(std::string name, int mantissa_bits, int bias, int largest_code) {
  Expected e{std::move(name), {}, 0x7F, ToEvenCode, {}};
  const int significands = 1 << mantissa_bits;
  for (int code = 0; code <= largest_code; ++code) {
    const int field = code / significands, fraction = code % significands;
    const double number = field == 0 ? std::ldexp(fraction, 1 - bias - mantissa_bits)
                                     : std::ldexp(significands + fraction, field - bias - mantissa_bits);
    e.values.push_back({number, code});
  }
  const float nan = std::bit_cast<float>(0x7FC00000u);
  for (int code = largest_code + 1; code < 0x80; ++code) {
    // E5M2 has infinities, which encode to the largest finite value.
    const bool infinity = mantissa_bits == 2 && code == 0x7C;
    e.special.push_back({code, infinity ? kInfinity : nan, infinity ? largest_code : 0x7F});
    e.special.push_back({code | 0x80, infinity ? -kInfinity : nan, infinity ? largest_code | 0x80 : 0x7F});
  }
  return e;
}

Expected HiFloat8(std::string name) {
  Expected e{std::move(name), {{0, 0}}, 0, AwayFromZero, {}};
  for (int exponent = -22; exponent <= -16; ++exponent) e.values.push_back({std::ldexp(1, exponent), exponent + 23});
  struct DotClass {
    int prefix, first, last, field_bits, mantissa_bits;  // field_bits: of |E| without its leading 1
  };
  constexpr DotClass kClasses[] = {
      {0b0001, 0, 0, 0, 3}, {0b001, 1, 1, 0, 3}, {0b01, 2, 3, 1, 3}, {0b10, 4, 7, 2, 2}, {0b11, 8, 15, 3, 1}};
  for (const DotClass& c : kClasses) {
    for (int magnitude = c.first; magnitude <= c.last; ++magnitude) {
      for (int sign = 0; sign < (magnitude == 0 ? 1 : 2); ++sign) {
        for (int m = 0; m < 1 << c.mantissa_bits; ++m) {
          int code = c.prefix;
          if (magnitude != 0) code = ((code << 1 | sign) << c.field_bits) | (magnitude - c.first);
          code = code << c.mantissa_bits | m;
          if (code == 0x6F) continue;  // infinity
          e.values.push_back({std::ldexp(1 + std::ldexp(m, -c.mantissa_bits), sign ? -magnitude : magnitude), code});
        }
      }
    }
  }
  std::sort(e.values.begin(), e.values.end(), [](const Value& a, const Value& b) { return a.number < b.number; });
  e.special = {{0x80, std::bit_cast<float>(0x7FC00000u), 0}, {0x6F, kInfinity, 0x6E}, {0xEF, -kInfinity, 0xEE}};
  return e;
}

int Nearest(const Expected& e, double v) {
  const auto above = std::upper_bound(e.values.begin(), e.values.end(), v,
                                      [](double number, const Value& value) { return number < value.number; });
  if (above == e.values.begin()) return above->code;
  const Value below = above[-1];
  if (above == e.values.end()) return below.code;
  const double middle = (below.number + above->number) / 2;
  if (v == middle) return e.tie(below, *above).code;
  return v < middle ? below.code : above->code;
}

int WithSign(float v, int code) { return std::signbit(v) ? code | 0x80 : code; }

int ExpectedInteger(const Expected& e, float v) { return std::isnan(v) ? 0 : Nearest(e, v); }

int ExpectedFp8(const Expected& e, float v) { return std::isnan(v) ? 0x7F : WithSign(v, Nearest(e, std::fabs(v))); }

int ExpectedHiFloat8(const Expected& e, float v) {
  const int code = std::isnan(v) ? 0 : Nearest(e, std::fabs(v));
  return code == 0 ? 0 : WithSign(v, code);
}

// Hybrid rounding decides by the discarded fraction bits from |E| = 4 on.
int ExpectedHybrid(const Expected& e, float v) {
  const float magnitude = std::fabs(v);
  if (std::isnan(v) || magnitude < 0x1p-23f) return 0;
  if (magnitude >= 32768) return WithSign(v, 0x6E);
  const int exponent = std::ilogb(magnitude);
  if (std::abs(exponent) < 4) return ExpectedHiFloat8(e, v);
  const int64_t fraction = static_cast<int64_t>(std::ldexp(magnitude, 23 - exponent)) - (1 << 23);
  const int kept = std::abs(exponent) < 8 ? 2 : std::abs(exponent) < 16 ? 1 : 0;
  const int64_t discarded = fraction % (int64_t{1} << (23 - kept));
  int64_t top = discarded >> (23 - kept - 14);
  if (exponent == -23) top = (fraction >> 10) + 8192;
  // Below 2^-22 nothing is kept, not even the leading 1, so no value is representable.
  const bool representable = exponent != -23 && discarded == 0;
  const bool up = !representable && top >= discarded % 16384;
  const auto above = std::upper_bound(e.values.begin(), e.values.end(), static_cast<double>(magnitude),
                                      [](double number, const Value& value) { return number < value.number; });
  const int code = up ? above->code : above[-1].code;
  return code == 0 ? 0 : WithSign(v, code);
}

// A codec's functions with the test's idea of it.
struct Case {
  Expected expected;
  int (*reference)(const Expected&, float);
  int32_t (*encode)(float);
  int32_t (*encode_number)(float);
  int32_t (*encode_in_range)(float);
  float (*decode)(int32_t);
  // Magnitudes from here on need Encode: they saturate.
  double in_range_below;
  bool is_signed;
};

template <class Codec>
Case Make(Expected expected, int (*reference)(const Expected&, float), double in_range_below) {
  return {std::move(expected),
          reference,
          [](float v) { return Codec::Encode(v); },
          [](float v) { return Codec::EncodeNumber(v); },
          [](float v) { return Codec::EncodeInRange(v); },
          [](int32_t code) { return Codec::Decode(code); },
          in_range_below,
          Codec::kSigned};
}

std::vector<Case> Cases() {
  return {
      Make<Int8Codec<L>>(Integers("int8", -128, 127), ExpectedInteger, 127.5),
      Make<Int4Codec<L>>(Integers("int4", -8, 7), ExpectedInteger, 7.5),
      Make<Float8E4M3FNCodec<L>>(Fp8("float8_e4m3fn", 3, 7, 0x7E), ExpectedFp8, 464),
      Make<Float8E5M2Codec<L>>(Fp8("float8_e5m2", 2, 15, 0x7B), ExpectedFp8, 61440),
      Make<HiFloat8Codec<L, false>>(HiFloat8("hifloat8_round"), ExpectedHiFloat8, 2 * double{kInfinity}),
      Make<HiFloat8Codec<L, true>>(HiFloat8("hifloat8_hybrid"), ExpectedHybrid, 2 * double{kInfinity}),
  };
}

void PrintTo(const Case& c, std::ostream* out) { *out << c.expected.name; }

bool InRange(const Case& c, float v) {
  if (std::isnan(v)) return false;
  if (c.in_range_below > std::numeric_limits<double>::max()) return true;
  if (c.is_signed) return v < c.in_range_below && v >= -c.in_range_below - 1;
  return std::fabs(v) < c.in_range_below;
}

class CodecTest : public ::testing::TestWithParam<Case> {};

template <class T>
void CompareAllInputs(const Case& c) {
  for (uint32_t p = 0; p < 1 << 16; ++p) {
    const float v = ToFloat32(T{static_cast<uint16_t>(p)});
    const int expected = c.reference(c.expected, v);
    ASSERT_EQ(c.encode(v), expected) << std::hexfloat << v;
    if (!std::isnan(v)) {
      ASSERT_EQ(c.encode_number(v), expected) << std::hexfloat << v;
    }
    if (InRange(c, v)) {
      ASSERT_EQ(c.encode_in_range(v), expected) << std::hexfloat << v;
    }
  }
}

TEST_P(CodecTest, EveryFloat16) { CompareAllInputs<Float16>(GetParam()); }
TEST_P(CodecTest, EveryBFloat16) { CompareAllInputs<BFloat16>(GetParam()); }

// fp32 has values closer to the decision points than 16-bit types have: one step on either side of each.
TEST_P(CodecTest, Float32AroundEveryDecisionPoint) {
  const Case& c = GetParam();
  std::vector<float> points;
  const auto& values = c.expected.values;
  for (size_t i = 0; i < values.size(); ++i) {
    points.push_back(static_cast<float>(values[i].number));
    if (i > 0) points.push_back(static_cast<float>((values[i].number + values[i - 1].number) / 2));
  }
  points.push_back(static_cast<float>(2 * values.back().number));
  for (const float point : points) {
    for (const float v : {point, std::nextafter(point, kInfinity), std::nextafter(point, -kInfinity)}) {
      for (const float x : {v, -v}) ASSERT_EQ(c.encode(x), c.reference(c.expected, x)) << std::hexfloat << x;
    }
  }
}

TEST_P(CodecTest, EveryCodeDecodesToItsValueAndComesBack) {
  const Case& c = GetParam();
  std::vector<bool> seen(256, false);
  const auto expect = [&](int code, float number, int again) {
    const float decoded = c.decode(code);
    EXPECT_EQ(std::bit_cast<uint32_t>(decoded), std::bit_cast<uint32_t>(number)) << "code " << std::hex << code;
    EXPECT_EQ(c.encode(decoded), again) << "code " << std::hex << code;
    seen[code & 0xFF] = true;
  };
  for (const Value& value : c.expected.values) {
    const float number = static_cast<float>(value.number);
    expect(value.code, number, value.code);
    const bool is_hifloat8_zero = c.expected.nan_code == 0 && value.number == 0;
    if (!c.is_signed && !is_hifloat8_zero) expect(value.code | 0x80, -number, value.code | 0x80);
  }
  for (const auto& special : c.expected.special) expect(special.code, special.number, special.again);
  const auto codes = std::count(seen.begin(), seen.end(), true);
  EXPECT_EQ(codes, c.expected.name == "int4" ? 16 : 256) << "not every code has a meaning";
}

TEST_P(CodecTest, NaNsAreOneCodeWhateverTheirSignAndPayload) {
  const Case& c = GetParam();
  for (const uint32_t bits : {0x7FC00000u, 0xFFC00000u, 0x7F800001u, 0xFFFFFFFFu, 0x7FFFFFFFu, 0xFF800001u}) {
    EXPECT_EQ(c.encode(std::bit_cast<float>(bits)), c.expected.nan_code) << std::hex << bits;
  }
}

// The code as the golden files write it: a nibble for INT4, otherwise a byte.
int AsWritten(const Case& c, int32_t code) { return code & (c.expected.name == "int4" ? 0xF : 0xFF); }

std::ifstream OpenGolden(const std::string& name) {
  std::ifstream file(KVANT_SOURCE_DIR "/kvant/numerics/golden/" + name + ".txt");
  EXPECT_TRUE(file.good()) << name;
  return file;
}

TEST_P(CodecTest, GoldenVectors) {
  const Case& c = GetParam();
  std::ifstream file = OpenGolden(c.expected.name);
  int lines = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    uint32_t bits = 0;
    int code = -1;
    ASSERT_TRUE(std::istringstream(line) >> std::hex >> bits >> code) << line;
    const float v = std::bit_cast<float>(bits);
    ASSERT_EQ(AsWritten(c, c.encode(v)), code) << line;
    if (InRange(c, v)) {
      ASSERT_EQ(AsWritten(c, c.encode_in_range(v)), code) << line;
    }
    ++lines;
  }
  EXPECT_GT(lines, 500);
}

TEST_P(CodecTest, GoldenDecoding) {
  const Case& c = GetParam();
  const std::string name = c.expected.name.rfind("hifloat8", 0) == 0 ? "hifloat8" : c.expected.name;
  std::ifstream file = OpenGolden("decode");
  int lines = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string format;
    uint32_t code = 0, bits = 0;
    if (!(words >> format) || format != name) continue;
    ASSERT_TRUE(words >> std::hex >> code >> bits) << line;
    int32_t argument = static_cast<int32_t>(code);
    if (c.is_signed && (code & (name == "int4" ? 0x8 : 0x80)) != 0) argument -= name == "int4" ? 16 : 256;
    ASSERT_EQ(std::bit_cast<uint32_t>(c.decode(argument)), bits) << line;
    ++lines;
  }
  EXPECT_EQ(lines, name == "int4" ? 16 : 256);
}

// Quotients whose sign was lost on the way get it from elsewhere.
template <class Codec>
void TakesTheSignFromElsewhere() {
  for (uint32_t p = 0; p < 0x7C00; ++p) {
    const float v = ToFloat32(Float16{static_cast<uint16_t>(p)});
    if (v > 448) break;
    ASSERT_EQ(Codec::EncodeInRangeWithSign(v, 0x3F800000), Codec::Encode(v));
    ASSERT_EQ(Codec::EncodeInRangeWithSign(v, std::bit_cast<int32_t>(-1.0f)), Codec::Encode(-v));
    ASSERT_EQ(Codec::EncodeInRangeWithSign(-v, 0), Codec::Encode(v));
  }
}

TEST(Fp8Codec, TakesTheSignFromElsewhere) {
  TakesTheSignFromElsewhere<Float8E4M3FNCodec<L>>();
  TakesTheSignFromElsewhere<Float8E5M2Codec<L>>();
}

INSTANTIATE_TEST_SUITE_P(All, CodecTest, ::testing::ValuesIn(Cases()),
                         [](const auto& info) { return info.param.expected.name; });

}  // namespace
}  // namespace kvant
