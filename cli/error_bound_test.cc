#include "cli/error_bound.h"

#include <gtest/gtest.h>

#include <random>

#include "cli/quant_case.h"
#include "kvant/core/half.h"

namespace kvant::cli {
namespace {

ErrorBound BoundFor(Format format) {
  DynamicQuantArgs args;
  args.dst_type = format;
  ErrorBound bound;
  EXPECT_TRUE(ErrorBound::Make(args, &bound).ok());
  return bound;
}

TEST(ErrorBound, IsHalfTheGapBetweenCodes) {
  const ErrorBound int8 = BoundFor(Format::kInt8);
  EXPECT_DOUBLE_EQ(int8.InScales(3.3, -100), 0.5 + (100 + 255) * 0x1p-22);
  const ErrorBound e4m3 = BoundFor(Format::kFloat8E4M3FN);
  EXPECT_NEAR(e4m3.InScales(440, 0), 16, 1e-3);          // between 416 and 448
  EXPECT_NEAR(e4m3.InScales(-1.1, 0), 1 / 16., 1e-5);    // -1.125 and -1
  EXPECT_NEAR(e4m3.InScales(0.0001, 0), 0x1p-10, 1e-6);  // 0 and 2^-9
  const ErrorBound e5m2 = BoundFor(Format::kFloat8E5M2);
  EXPECT_NEAR(e5m2.InScales(50000, 0), 4096, 0.1);  // 49152 and 57344
  const ErrorBound hifloat8 = BoundFor(Format::kHiFloat8);
  EXPECT_NEAR(hifloat8.InScales(20000, 0), 4096, 0.1);  // 16384 and 24576
}

// The check of the demo has to see a code that is one off, in any format.
TEST(ErrorBound, HoldsForResultsAndForNothingElse) {
  std::mt19937 rng(1);
  std::normal_distribution<float> normal;
  std::vector<float> x(512), back(512);
  for (float& v : x) v = normal(rng);
  for (const FormatInfo& format : kFormatInfo) {
    DynamicQuantArgs args;
    args.x = ConstTensorView(x.data(), DType::kFloat32, {4, 128});
    ASSERT_TRUE(ParseFormat(format.name, &args.dst_type));
    for (const bool symmetric : {true, false}) {
      args.symmetric = symmetric;
      QuantCase quant;
      ASSERT_TRUE(QuantCase::Make(args, &quant).ok());
      ASSERT_TRUE(quant.Run({}).ok());
      ASSERT_TRUE(quant.Restore({}, back.data()).ok());
      ErrorBound bound;
      ASSERT_TRUE(ErrorBound::Make(quant.args(), &bound).ok());
      const auto within = [&](size_t i) {
        const double scale = quant.scale()[i / 128], offset = symmetric ? 0 : quant.offset()[i / 128];
        return std::fabs(x[i] - back[i]) / scale <= bound.InScales(x[i] / scale, offset);
      };
      for (size_t i = 0; i < x.size(); ++i) EXPECT_TRUE(within(i)) << format.name << " element " << i;
      // A code up or down in every element; where x lies in the middle of two codes the other one is as good.
      auto* const codes = static_cast<uint8_t*>(quant.args().y.data());
      const int64_t bytes = quant.args().y.elements();
      for (int64_t i = 0; i < bytes; ++i) codes[i] ^= args.dst_type == Format::kInt4 ? 0x11 : 0x01;
      ASSERT_TRUE(quant.Restore({}, back.data()).ok());
      int caught = 0;
      for (size_t i = 0; i < x.size(); ++i) caught += !within(i);
      EXPECT_GT(caught, 480) << format.name << (symmetric ? " symmetric" : " asymmetric");
    }
  }
}

TEST(ElementOf, WidensEveryFloatType) {
  const uint16_t half[] = {0x3C00, 0xC000}, bfloat[] = {0x3F80, 0xC000};
  const float single[] = {1, -2};
  EXPECT_EQ(ElementOf(ConstTensorView(half, DType::kFloat16, {2}), 1), -2);
  EXPECT_EQ(ElementOf(ConstTensorView(bfloat, DType::kBFloat16, {2}), 1), -2);
  EXPECT_EQ(ElementOf(ConstTensorView(single, DType::kFloat32, {2}), 1), -2);
}

}  // namespace
}  // namespace kvant::cli
