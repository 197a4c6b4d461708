#include "cli/quant_info.h"

#include <gtest/gtest.h>

namespace kvant::cli {
namespace {

using Shape = std::vector<int64_t>;

QuantInfo Example() {
  QuantInfo info;
  info.format = Format::kInt4;
  info.group_size = 8;
  info.shape = {2, 3, 16};
  info.dtype = DType::kBFloat16;
  info.scale = "a.scale";
  info.offset = "a.\"offset\"";
  return info;
}

TEST(QuantInfo, IsReadAsItWasWritten) {
  QuantInfo info = Example();
  EXPECT_EQ(FormatQuantInfo(info),
            R"({"format":"int4","shape":[2,3,16],"dtype":"bfloat16","mode":"pertoken","group_size":8,)"
            R"("scale":"a.scale","offset":"a.\"offset\""})");
  QuantInfo read;
  ASSERT_TRUE(ParseQuantInfo(FormatQuantInfo(info), &read).ok());
  EXPECT_EQ(read, info);

  info.format = Format::kHiFloat8;
  info.mode = QuantMode::kPerChannel;
  info.group_size = 0;
  info.offset = "";
  info.smooth = "s";
  info.group_index = "g";
  info.dst_type_max = 15.5;
  ASSERT_TRUE(ParseQuantInfo(FormatQuantInfo(info), &read).ok());
  EXPECT_EQ(read, info);
}

TEST(QuantInfo, KnowsItsShapes) {
  QuantInfo info = Example();
  EXPECT_EQ(CodeShape(info), (Shape{2, 3, 8}));
  EXPECT_EQ(ParamShape(info), (Shape{2, 3, 2}));
  info.group_size = 0;
  EXPECT_EQ(ParamShape(info), (Shape{2, 3}));
  info.mode = QuantMode::kPerChannel;
  EXPECT_EQ(ParamShape(info), (Shape{2, 16}));
  info.mode = QuantMode::kPerTensor;
  EXPECT_EQ(ParamShape(info), (Shape{1}));
  info.format = Format::kInt8;
  EXPECT_EQ(CodeShape(info), info.shape);
}

TEST(QuantInfo, NamesItsParams) {
  QuantInfo info = Example();
  EXPECT_EQ(ParamNames(info), (std::vector<std::string>{"a.scale", "a.\"offset\""}));
  info.offset = "";
  EXPECT_EQ(ParamNames(info), std::vector<std::string>{"a.scale"});
}

TEST(QuantInfo, IsDescribedForPeople) {
  QuantInfo info = Example();
  EXPECT_EQ(Describe(info), "int4 pertoken/8 asymmetric");
  info.group_size = 0;
  info.offset = "";
  EXPECT_EQ(Describe(info), "int4 pertoken symmetric");
}

TEST(QuantInfo, SaysWhatIsMissing) {
  const std::string good = FormatQuantInfo(Example());
  for (const std::string member : {"format", "shape", "dtype", "mode", "scale"}) {
    std::string text = good;
    text.replace(text.find("\"" + member + "\""), member.size() + 2, "\"other\"");
    QuantInfo info;
    const Status status = ParseQuantInfo(text, &info);
    EXPECT_EQ(status.code(), StatusCode::kInvalidValue);
    EXPECT_NE(status.message().find("'" + member + "'"), std::string::npos) << status.message();
  }
  QuantInfo info;
  EXPECT_EQ(ParseQuantInfo("[1]", &info).message(), "not a JSON object");
  EXPECT_EQ(ParseQuantInfo("{\"format\":", &info).message(), "not a JSON object");
}

TEST(ParseFloatType, TakesRealNumbersOnly) {
  DType dtype;
  EXPECT_TRUE(ParseFloatType("float16", &dtype));
  EXPECT_EQ(dtype, DType::kFloat16);
  EXPECT_FALSE(ParseFloatType("int8", &dtype));
  EXPECT_FALSE(ParseFloatType("F16", &dtype));
}

}  // namespace
}  // namespace kvant::cli
