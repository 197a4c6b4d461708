// Each function of c_api_swiglu.h against its C++ counterpart, and the errors of the C API itself.
#include "kvant/c_api_swiglu.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "kvant/c_api.h"
#include "kvant/kvant.h"
#include "kvant/testing/c_api_test_util.h"
#include "kvant/testing/dl_tensor.h"

namespace kvant {
namespace {

constexpr DLDataType kDlInt32 = {kDLInt, 32, 1}, kDlInt64 = {kDLInt, 64, 1};
constexpr int64_t kRows = 5, kColumns = 6, kGroups = 3;

class CApiSwiglu : public testing::Test {
 protected:
  CApiSwiglu() {
    int32_t v = 7;
    for (int32_t& e : x_) e = v = v * 73 % 20011 - 9000;
  }

  std::vector<int32_t> x_ = std::vector<int32_t>(kRows * 2 * kColumns);
  std::vector<float> weights_ = Numbers(kGroups * 2 * kColumns, 0.4f), rows_ = Numbers(kRows, 0.7f);
  std::vector<float> biases_ = Numbers(kGroups * 2 * kColumns, 0.2f), scales_ = Numbers(kGroups, 0.3f);
  std::vector<int32_t> counts_{2, 0, 2};
  DlTensor x{x_.data(), kDlInt32, {kRows, 2 * kColumns}};
  DlTensor weights{weights_.data(), kDlFloat32, {kGroups, 2 * kColumns}};
  DlTensor rows{rows_.data(), kDlFloat32, {kRows, 1}};
  DlTensor biases{biases_.data(), kDlFloat32, {kGroups, 2 * kColumns}};
  DlTensor scales{scales_.data(), kDlFloat32, {kGroups}};
  DlTensor counts{counts_.data(), kDlInt32, {kGroups}};
};

TEST_F(CApiSwiglu, DequantSwigluQuant) {
  for (const bool dynamic : {false, true}) {
    auto y = Unwritten<uint8_t>(kRows * kColumns), cpp_y = y;
    auto scale = Unwritten<float>(kRows), cpp_scale = scale;
    DlTensor y_t(y.data(), kDlUInt8, {kRows, kColumns}), scale_t(scale.data(), kDlFloat32, {kRows});
    kvant_dequant_swiglu_quant_args c = KVANT_DEQUANT_SWIGLU_QUANT_ARGS_INIT;
    EXPECT_EQ(c.clamp_limit, 7.0);
    EXPECT_EQ(c.glu_alpha, 1.702);
    EXPECT_EQ(c.glu_bias, 1.0);
    c.x = &x;
    c.weight_scale = &weights;
    c.activation_scale = &rows;
    c.bias = &biases;
    c.quant_scale = &scales;
    if (!dynamic) c.quant_offset = &scales;
    c.group_index = &counts;
    c.quant_mode = dynamic ? KVANT_SCALE_DYNAMIC : KVANT_SCALE_STATIC;
    c.activate_left = 1;
    c.dst_type = KVANT_FLOAT8_E4M3FN;
    c.swiglu_mode = KVANT_SWIGLU_CLAMPED;
    c.clamp_limit = 5;
    c.glu_alpha = 1.5;
    c.glu_bias = 0.25;
    c.y = &y_t;
    c.scale = &scale_t;
    ASSERT_EQ(kvant_dequant_swiglu_quant(&c, nullptr), KVANT_OK) << kvant_last_error();

    DequantSwigluQuantArgs cpp;
    cpp.x = {x_.data(), DType::kInt32, {kRows, 2 * kColumns}};
    cpp.weight_scale = {weights_.data(), DType::kFloat32, {kGroups, 2 * kColumns}};
    cpp.activation_scale = {rows_.data(), DType::kFloat32, {kRows, 1}};
    cpp.bias = {biases_.data(), DType::kFloat32, {kGroups, 2 * kColumns}};
    cpp.quant_scale = {scales_.data(), DType::kFloat32, {kGroups}};
    if (!dynamic) cpp.quant_offset = cpp.quant_scale;
    cpp.group_index = {counts_.data(), DType::kInt32, {kGroups}};
    cpp.quant_mode = dynamic ? ScaleSource::kDynamic : ScaleSource::kStatic;
    cpp.activate_left = true;
    cpp.dst_type = Format::kFloat8E4M3FN;
    cpp.swiglu_mode = SwigluMode::kClamped;
    cpp.clamp_limit = 5;
    cpp.glu_alpha = 1.5;
    cpp.glu_bias = 0.25;
    cpp.y = {cpp_y.data(), DType::kUInt8, {kRows, kColumns}};
    cpp.scale = {cpp_scale.data(), DType::kFloat32, {kRows}};
    ASSERT_TRUE(DequantSwigluQuant(cpp).ok());
    ExpectSame(y, cpp_y);
    ExpectSame(scale, cpp_scale);
    EXPECT_EQ(y[4 * kColumns], 0);  // past the groups

    kvant_tensor_spec y_spec, scale_spec;
    TensorSpec cpp_y_spec, cpp_scale_spec;
    ASSERT_EQ(kvant_infer_dequant_swiglu_quant(&c, &y_spec, &scale_spec), KVANT_OK) << kvant_last_error();
    ASSERT_TRUE(InferDequantSwigluQuant(cpp, &cpp_y_spec, &cpp_scale_spec).ok());
    ExpectSame(y_spec, cpp_y_spec, {kDLFloat8_e4m3fn, 8, 1});
    ExpectSame(scale_spec, cpp_scale_spec, kDlFloat32);
  }
}

TEST_F(CApiSwiglu, ChoicesAreChecked) {
  kvant_dequant_swiglu_quant_args c = KVANT_DEQUANT_SWIGLU_QUANT_ARGS_INIT;
  c.x = &x;
  c.swiglu_mode = 3;
  EXPECT_EQ(kvant_dequant_swiglu_quant(&c, nullptr), KVANT_INVALID_VALUE);
  EXPECT_STREQ(kvant_last_error(), "dequant_swiglu_quant: swiglu_mode is 3, expected 0 to 2");
  c.swiglu_mode = 0;
  c.quant_mode = 2;
  EXPECT_EQ(kvant_infer_dequant_swiglu_quant(&c, nullptr, nullptr), KVANT_INVALID_VALUE);
  EXPECT_STREQ(kvant_last_error(), "dequant_swiglu_quant: quant_mode is 2, expected 0 to 1");
  c.quant_mode = 0;
  c.struct_size = 8;
  EXPECT_EQ(kvant_dequant_swiglu_quant(&c, nullptr), KVANT_INVALID_VALUE);
  EXPECT_EQ(kvant_dequant_swiglu_quant(nullptr, nullptr), KVANT_INVALID_VALUE);
}

TEST_F(CApiSwiglu, GroupCounts) {
  std::vector<int64_t> ends = {0, 0, 0};
  std::vector<int32_t> back = {0, 0, 0};
  DlTensor ends_t(ends.data(), kDlInt64, {3}), back_t(back.data(), kDlInt32, {3});
  kvant_group_counts_args c = KVANT_GROUP_COUNTS_ARGS_INIT;
  c.counts = &counts;
  c.ends = &ends_t;
  ASSERT_EQ(kvant_ends_from_counts(&c), KVANT_OK) << kvant_last_error();
  EXPECT_EQ(ends, (std::vector<int64_t>{2, 2, 4}));
  c.counts = &back_t;
  ASSERT_EQ(kvant_counts_from_ends(&c), KVANT_OK) << kvant_last_error();
  EXPECT_EQ(back, counts_);
  ends = {4, 2, 4};
  EXPECT_EQ(kvant_counts_from_ends(&c), KVANT_OUT_OF_RANGE);
  EXPECT_STREQ(kvant_last_error(),
               "counts_from_ends: ends[1] is 2, but ends[0] is 4: cumulative end rows cannot decrease");
}

}  // namespace
}  // namespace kvant
