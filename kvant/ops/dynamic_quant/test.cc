// Results that can be worked out by hand, and the shapes of results.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "kvant/testing/check_dynamic_quant.h"

namespace kvant {
namespace {

using testing::RowwiseProblem;
using testing::ScopedTarget;
using testing::Shape;

using Numbers = std::vector<float>;
using Bytes = std::vector<int>;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kFloor = std::bit_cast<float>(0x2B8CBCCCu);  // 1e-12

struct Given {
  Shape shape;
  Numbers x;
  Format format = Format::kInt8;
  bool symmetric = false;
  QuantMode mode = QuantMode::kPerToken;
  DType dtype = DType::kFloat32;
  Numbers smooth = {};
  int64_t group_size = 0;
  double dst_type_max = 0;
};

// The problem gives these codes (INT8 as bytes, INT4 one per nibble), scales and offsets on every target. The oracle of
// the random tests has to agree: it is judged here, too.
void Gives(const Given& g, const Bytes& codes, const Numbers& scales, const Numbers& offsets = {}) {
  testing::Rng rng(1);
  RowwiseProblem p;
  p.format = g.format;
  p.symmetric = g.symmetric;
  p.mode = g.mode;
  p.group_size = g.group_size;
  p.dst_type_max = g.dst_type_max;
  p.x = testing::TestTensor(g.dtype, g.shape, rng);
  p.x.SetFloats(g.x);
  p.x.Keep();
  if (!g.smooth.empty()) {
    p.smooth.emplace(g.dtype, Shape{static_cast<int64_t>(g.smooth.size())}, rng);
    p.smooth->SetFloats(g.smooth);
    p.smooth->Keep();
  }
  p.MakeOutputs(rng);
  RowwiseProblem::Expected expected;
  for (const int code : codes)
    expected.codes.push_back(static_cast<uint8_t>(code & (g.format == Format::kInt4 ? 15 : 255)));
  for (size_t i = 0; i < scales.size(); ++i) {
    expected.params.push_back({scales[i], offsets.empty() ? 0 : offsets[i]});
  }
  EXPECT_EQ(CheckOnEachTarget(p, expected), "");
  EXPECT_EQ(CheckOnEachTarget(p), "") << "the oracle is wrong";
}

TEST(DynamicQuant, ThePublishedExample) {
  // amax = 0.53720, the product of 0.6680 and 0.8042 in fp16; 0.5372 / 127 = 0.00423.
  const Numbers x = {.6680f, .9492f, .0845f}, smooth = {.8042f, .0884f, .8901f};
  const float largest = ToFloat32(FromFloat32<Float16>(.6680f)) * ToFloat32(FromFloat32<Float16>(.8042f));
  const float scale = largest / 127;
  EXPECT_NEAR(scale, .0042, .00005);
  Gives({{1, 3}, x, Format::kInt8, true, QuantMode::kPerToken, DType::kFloat16, smooth}, {127, 20, 18}, {scale});
}

TEST(DynamicQuant, SymmetricIntegers) {
  Gives({{5}, {1, -2, 127, 0.5f, 1.5f}, Format::kInt8, true}, {1, -2, 127, 0, 2}, {1});
  Gives({{5}, {1, -2, -127, 2.5f, -3.5f}, Format::kInt8, true}, {1, -2, -127, 2, -4}, {1});
  Gives({{6}, {3.5f, -0.25f, -3, 1.75f, 0, -3.5f}, Format::kInt4, true}, {7, 0, -6, 4, 0, -7}, {0.5f});
  Gives({{2, 2}, {254, 1, 0, -508}, Format::kInt8, true}, {127, 0, 0, -127}, {2, 4});
}

TEST(DynamicQuant, AsymmetricIntegers) {
  Gives({{4}, {-128, 127, 0.5f, 3}}, {-128, 127, 0, 3}, {1}, {0});
  Gives({{4}, {0, 510, 2, 255}}, {-128, 127, -127, 0}, {2}, {-128});  // 127.5 - 128 = -0.5, a tie to 0
  Gives({{4}, {0, 15, 4, 8.5f}, Format::kInt4}, {-8, 7, -4, 0}, {1}, {-8});
  // The offset is not an integer.
  Gives({{2}, {0.25f, 255.25f}}, {-128, 127}, {1}, {-128.25f});
}

TEST(DynamicQuant, Floats) {
  const Numbers x = {448, -448, 1, 0, -0.0f, 2.125f};
  Gives({{6}, x, Format::kFloat8E4M3FN, true}, {0x7E, 0xFE, 0x38, 0, 0x80, 0x40}, {1});  // 2.125 ties to even
  Gives({{4}, {57344, -2, 0.875f, 1.125f}, Format::kFloat8E5M2, true}, {0x7B, 0xC0, 0x3B, 0x3C}, {1});
  Gives({{4}, {32768, -1, 1.0625f, 0x1p-22f}, Format::kHiFloat8, true}, {0x6E, 0x88, 0x09, 0x01}, {1});
  Gives({{3}, {30, -2, 16}, Format::kHiFloat8, true, QuantMode::kPerToken, DType::kFloat32, {}, 0, 15},
        {0x2F, 0x88, 0x28}, {2});
  Gives({{3}, {448, -448, 100}, Format::kFloat8E4M3FN}, {0x7E, 0xFE, 0x6C}, {1}, {0});  // 100 ties to 96
}

TEST(DynamicQuant, ZeroRows) {
  for (const Format format :
       {Format::kInt8, Format::kInt4, Format::kFloat8E4M3FN, Format::kFloat8E5M2, Format::kHiFloat8}) {
    for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat32}) {
      // A scale of 0 makes every code 0x00, of -0 too.
      Gives({{1, 2}, {0, -0.0f}, format, true, QuantMode::kPerToken, dtype}, {0, 0}, {0});
      const float d = Info(format).d;
      const int top = format == Format::kInt8           ? 127
                      : format == Format::kInt4         ? 7
                      : format == Format::kFloat8E4M3FN ? 0x7E
                      : format == Format::kFloat8E5M2   ? 0x7B
                                                        : 0x6E;
      Gives({{1, 2}, {0, -0.0f}, format, false, QuantMode::kPerToken, dtype}, {top, top}, {kFloor}, {d});
    }
  }
}

TEST(DynamicQuant, ConstantRowsStandOnTheFloor) {
  // 3 / 1e-12 = 3e12, beside which 127 is rounded away: the offset is -3e12, the code 0, and 0 + 3e12 times the
  // scale 3.
  const float quotient = 3 / kFloor;
  EXPECT_EQ(127 - quotient, -quotient);
  Gives({{1, 4}, {3, 3, 3, 3}}, {0, 0, 0, 0}, {kFloor}, {-quotient});
  EXPECT_EQ((0 + quotient) * kFloor, 3);
  Gives({{2, 1}, {3, -3}}, {0, 0}, {kFloor, kFloor}, {-quotient, quotient});
  Gives({{2, 1}, {5, -254}, Format::kInt8, true}, {127, -127}, {5.0f / 127, 2});
}

TEST(DynamicQuant, TheFloorIsForLessThanIt) {
  const float above = std::bit_cast<float>(0x2B8CBCCDu), below = std::bit_cast<float>(0x2B8CBCCBu);
  for (const float t : {above, kFloor, below}) {
    const float max = 255 * t, scale = t == below ? kFloor : t;
    ASSERT_EQ(max / 255, t);
    Gives({{1, 2}, {0, max}}, {-128, 127}, {scale}, {127 - max / scale});
  }
}

TEST(DynamicQuant, OneNaNTakesTheRow) {
  Gives({{2, 2}, {1, kNaN, 127, 0}, Format::kInt8, true}, {0, 0, 127, 0}, {kNaN, 1});
  Gives({{2, 2}, {-kNaN, 1, 0, 255}}, {0, 0, -128, 127}, {kNaN, 1}, {kNaN, -128});
  Gives({{1, 2}, {kNaN, 1}, Format::kInt4}, {0, 0}, {kNaN}, {kNaN});
  Gives({{1, 2}, {-kNaN, -1}, Format::kFloat8E4M3FN, true}, {0x7F, 0x7F}, {kNaN});
  Gives({{1, 2}, {-kNaN, -1}, Format::kFloat8E5M2}, {0x7F, 0x7F}, {kNaN}, {kNaN});
  Gives({{1, 2}, {kNaN, 1}, Format::kHiFloat8, true}, {0, 0}, {kNaN});
  Gives({{2, 2}, {1, 2, kNaN, 3}, Format::kInt8, true, QuantMode::kPerTensor}, {0, 0, 0, 0}, {kNaN});
  Gives({{2, 2}, {127, 2, kNaN, 127}, Format::kInt8, true, QuantMode::kPerChannel}, {0, 2, 0, 127}, {kNaN, 1});
}

TEST(DynamicQuant, InfinitiesFollowFromTheFormulas) {
  // Symmetric: finite / inf = 0, inf / inf = NaN.
  Gives({{1, 3}, {1, -kInf, -1}, Format::kInt8, true}, {0, 0, 0}, {kInf});
  Gives({{1, 3}, {1, -kInf, -1}, Format::kFloat8E4M3FN, true}, {0, 0x7F, 0x80}, {kInf});
  // A largest of inf gives an offset of D - inf / inf; a finite one D - 0, with quotients of 0.
  Gives({{1, 2}, {1, kInf}}, {0, 0}, {kInf}, {kNaN});
  Gives({{1, 2}, {1, -kInf}}, {127, 0}, {kInf}, {127});
  // A range that overflows is the same, with finite numbers only.
  Gives({{1, 3}, {-3e38f, 3e38f, 0}}, {127, 127, 127}, {kInf}, {127});
  Gives({{1, 3}, {-3e38f, 3e38f, 0}, Format::kFloat8E5M2}, {0x7B, 0x7B, 0x7B}, {kInf}, {57344});
}

TEST(DynamicQuant, SubnormalScales) {
  // 512 units / 127 = 4.03, so 4 units, and 512 / 4 = 128 saturates; 1 unit / 127 underflows to a scale of 0.
  Gives({{2, 2}, {0x1p-140f, -0x1p-140f, 0x1p-149f, 0}, Format::kInt8, true}, {127, -128, 0, 0}, {0x1p-147f, 0});
  Gives({{1, 2}, {0x1p-149f, -0x1p-149f}, Format::kFloat8E4M3FN, true}, {0, 0}, {0});
  Gives({{1, 2}, {0x1p-133f, -0x1p-133f}, Format::kInt8, true, QuantMode::kPerToken, DType::kBFloat16}, {127, -127},
        {0x1.02p-140f});
}

TEST(DynamicQuant, GroupsOfARow) {
  const Numbers x = {127, 1, 0, -254, 2, 508, 4, 8};
  Gives({{1, 8}, x, Format::kInt8, true, QuantMode::kPerToken, DType::kFloat32, {}, 2},
        {127, 1, 0, -127, 0, 127, 64, 127}, {1, 2, 4, 8.0f / 127});
  // One group is the whole row, but for the shape of scale.
  for (const int64_t group_size : {0, 8}) {
    Gives({{1, 8}, x, Format::kInt8, true, QuantMode::kPerToken, DType::kFloat32, {}, group_size},
          {32, 0, 0, -64, 0, 127, 1, 2}, {4});
  }
}

TEST(DynamicQuant, PerTensorAndPerChannel) {
  const Numbers x = {127, -1, 2, 254, 64, -127};
  Gives({{2, 3}, x, Format::kInt8, true, QuantMode::kPerTensor}, {64, 0, 1, 127, 32, -64}, {2});
  Gives({{2, 3}, x, Format::kInt8, true, QuantMode::kPerChannel}, {64, -2, 2, 127, 127, -127}, {2, 64.0f / 127, 1});
  // Smooth scales of perchannel multiply rows.
  Gives({{2, 2}, {127, -127, 1, 2}, Format::kInt8, true, QuantMode::kPerChannel, DType::kFloat32, {2, 127}},
        {127, -127, 64, 127}, {2, 2});
}

// However many rows: without elements there is nothing to walk through.
TEST(DynamicQuant, PerTensorOfManyEmptyRows) {
  float scale = -1, offset = -1;
  DynamicQuantArgs args;
  args.x = ConstTensorView(nullptr, DType::kFloat16, {int64_t{1} << 40, 0});
  args.quant_mode = QuantMode::kPerTensor;
  args.y = TensorView(nullptr, DType::kInt8, {int64_t{1} << 40, 0});
  args.scale = TensorView(&scale, DType::kFloat32, {1});
  args.offset = TensorView(&offset, DType::kFloat32, {1});
  const Status status = DynamicQuant(args);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(scale, 1e-12f);
  EXPECT_EQ(offset, 127);
}

// Multiplying by a reciprocal, of the scale or of D, would be another operator.
TEST(DynamicQuant, Divides) {
  const float seventh = 1.0f / 7;
  Numbers x = {7 * 127};
  Bytes codes = {127};
  int differ = 0;
  for (int k = 0; k < 126; ++k) {
    x.push_back(7 * (static_cast<float>(k) + 0.5f));  // a tie, to the even code
    codes.push_back(k + k % 2);
    differ += std::nearbyint(x.back() * seventh) != codes.back();
  }
  EXPECT_GT(differ, 0);
  Gives({{127}, x, Format::kInt8, true}, codes, {7});
  const float amax = 9;
  EXPECT_NE(amax / 127, amax * (1.0f / 127));
  Gives({{1}, {amax}, Format::kInt8, true}, {127}, {amax / 127});
}

TEST(DynamicQuant, AnyRank) {
  Shape shape(32, 1);
  shape[3] = shape[31] = 2;
  for (const QuantMode mode : {QuantMode::kPerToken, QuantMode::kPerTensor, QuantMode::kPerChannel}) {
    const Numbers scales = mode == QuantMode::kPerToken    ? Numbers{1, 2}
                           : mode == QuantMode::kPerTensor ? Numbers{2}
                                                           : Numbers{1, 2.0f / 127, 2, 64.0f / 127};
    const Bytes codes = mode == QuantMode::kPerToken    ? Bytes{127, 2, 127, 32}
                        : mode == QuantMode::kPerTensor ? Bytes{64, 1, 127, 32}
                                                        : Bytes{127, 127, 127, 127};
    Gives({shape, {127, 2, 254, 64}, Format::kInt8, true, mode}, codes, scales);
  }
}

// Rows 0 and 1 belong to the last but one and the last of 3000 experts.
TEST(DynamicQuant, MoreExpertsThanRows) {
  testing::Rng rng(2);
  RowwiseProblem p;
  p.symmetric = true;
  p.x = testing::TestTensor(DType::kBFloat16, {2, 2}, rng);
  p.x.SetFloats({1, 127, 254, 2});
  p.x.Keep();
  p.group_index.emplace(DType::kInt64, Shape{3000}, rng);
  p.smooth.emplace(DType::kFloat32, Shape{3000, 2}, rng);
  for (int64_t i = 0; i < 3000; ++i) {
    p.group_index->Set(i, std::max<int64_t>(i - 2997, 0));
    for (int64_t k = 0; k < 2; ++k) p.smooth->Set(2 * i + k, static_cast<float>(i - 2997));
  }
  p.group_index->Keep();
  p.smooth->Keep();
  p.MakeOutputs(rng);
  RowwiseProblem::Expected expected;
  expected.codes = {1, 127, 127, 1};
  expected.params = {{1, 0}, {4, 0}};
  EXPECT_EQ(CheckOnEachTarget(p, expected), "");
}

TEST(DynamicQuant, NothingToDo) {
  for (const bool symmetric : {true, false}) {
    const Numbers none = symmetric ? Numbers{0, 0} : Numbers{kFloor, kFloor}, d = {127, 127};
    const Given given{{2, 0}, {}, Format::kInt8, symmetric};
    Gives(given, {}, none, d);  // an empty row counts as the value 0
    Given tensor = given;
    tensor.mode = QuantMode::kPerTensor;
    Gives(tensor, {}, {none[0]}, d);
    for (const Shape& shape : {Shape{0}, Shape{0, 4}, Shape{3, 0, 2}}) {
      tensor.shape = shape;
      Gives(tensor, {}, {none[0]}, d);
    }
    for (const Shape& shape : {Shape{0, 2}, Shape{1, 0, 2}}) {
      Given channel{shape, {}, Format::kInt8, symmetric, QuantMode::kPerChannel};
      Gives(channel, {}, none, d);
    }
    for (const Shape& shape : {Shape{0, 3, 2}, Shape{0, 0, 2}, Shape{2, 3, 0}}) {
      Given channel{shape, {}, Format::kInt8, symmetric, QuantMode::kPerChannel};
      Gives(channel, {}, {});
    }
    Gives({{0, 4}, {}, Format::kInt4, symmetric}, {}, {});
    Gives({{0, 4}, {}, Format::kInt4, symmetric, QuantMode::kPerToken, DType::kFloat16, {1, 2, 3, 4}, 2}, {}, {});
  }
}

TEST(DynamicQuant, InferGivesDtypesAndShapes) {
  uint16_t memory[1];
  const auto infer = [&](Shape shape, Format format, QuantMode mode, int64_t group_size) {
    DynamicQuantArgs args;
    args.x = ConstTensorView(memory, DType::kFloat16, shape);
    args.dst_type = format;
    args.quant_mode = mode;
    args.group_size = group_size;
    DynamicQuantOutputs outputs;
    const Status status = InferDynamicQuant(args, &outputs);
    EXPECT_TRUE(status.ok()) << status.message();
    const auto text = [](const TensorSpec& spec) {
      std::string t(Name(spec.dtype));
      for (const int64_t extent : spec.dims()) t += " " + std::to_string(extent);
      return t;
    };
    EXPECT_EQ(text(outputs.scale), text(outputs.offset));
    return text(outputs.y) + ", " + text(outputs.scale);
  };
  const QuantMode token = QuantMode::kPerToken;
  EXPECT_EQ(infer({2, 3, 8}, Format::kInt8, token, 0), "int8 2 3 8, float32 2 3");
  EXPECT_EQ(infer({2, 3, 8}, Format::kInt4, token, 0), "uint8 2 3 4, float32 2 3");
  EXPECT_EQ(infer({2, 3, 8}, Format::kInt8, token, 4), "int8 2 3 8, float32 2 3 2");
  EXPECT_EQ(infer({2, 3, 8}, Format::kInt8, token, 8), "int8 2 3 8, float32 2 3 1");
  EXPECT_EQ(infer({8}, Format::kFloat8E4M3FN, token, 0), "float8_e4m3fn 8, float32");
  EXPECT_EQ(infer({2, 8}, Format::kFloat8E5M2, QuantMode::kPerTensor, 0), "float8_e5m2 2 8, float32 1");
  EXPECT_EQ(infer({2, 3, 8}, Format::kHiFloat8, QuantMode::kPerChannel, 0), "uint8 2 3 8, float32 2 8");
  EXPECT_EQ(infer({0, 8}, Format::kInt4, QuantMode::kPerChannel, 0), "uint8 0 4, float32 8");
}

}  // namespace
}  // namespace kvant
