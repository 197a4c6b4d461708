// Each function of the C API against its C++ counterpart: every field arrives, every result comes back.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "kvant/c_api.h"
#include "kvant/kvant.h"
#include "kvant/testing/c_api_test_util.h"
#include "kvant/testing/dl_tensor.h"

namespace kvant {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int64_t kRows = 6, kColumns = 16, kElements = kRows * kColumns;

class CApiOps : public testing::Test {
 protected:
  std::vector<float> x_ = Numbers(kElements, 0.7f), smooth_ = Numbers(2 * kColumns, -1.3f);
  std::vector<int32_t> ends_{2, 6};
  DlTensor x{x_.data(), kDlFloat32, {2, 3, kColumns}};
  DlTensor smooth{smooth_.data(), kDlFloat32, {2, kColumns}}, channels{smooth_.data(), kDlFloat32, {3}};
  DlTensor ends{ends_.data(), {kDLInt, 32, 1}, {2}};
  ConstTensorView cpp_x{x_.data(), DType::kFloat32, {2, 3, kColumns}};
  ConstTensorView cpp_smooth{smooth_.data(), DType::kFloat32, {2, kColumns}};
  ConstTensorView cpp_channels{smooth_.data(), DType::kFloat32, {3}};
  ConstTensorView cpp_ends{ends_.data(), DType::kInt32, {2}};
};

TEST_F(CApiOps, DynamicQuantWithGroups) {
  const int64_t g = 4, params = kElements / g;
  auto y = Unwritten<uint8_t>(kElements / 2), cpp_y = y;
  auto scale = Unwritten<float>(params), offset = scale, cpp_scale = scale, cpp_offset = scale;
  DlTensor y_t(y.data(), kDlUInt8, {2, 3, kColumns / 2}), scale_t(scale.data(), kDlFloat32, {2, 3, kColumns / g});
  DlTensor offset_t(offset.data(), kDlFloat32, {2, 3, kColumns / g});
  kvant_dynamic_quant_args c = KVANT_DYNAMIC_QUANT_ARGS_INIT;
  c.x = &x;
  c.smooth_scales = &smooth;
  c.group_index = &ends;
  c.dst_type = KVANT_INT4;
  c.group_size = g;
  c.y = &y_t;
  c.scale = &scale_t;
  c.offset = &offset_t;
  ASSERT_EQ(kvant_dynamic_quant(&c, nullptr), KVANT_OK) << kvant_last_error();

  DynamicQuantArgs cpp;
  cpp.x = cpp_x;
  cpp.smooth_scales = cpp_smooth;
  cpp.group_index = cpp_ends;
  cpp.dst_type = Format::kInt4;
  cpp.group_size = g;
  cpp.y = {cpp_y.data(), DType::kUInt8, {2, 3, kColumns / 2}};
  cpp.scale = {cpp_scale.data(), DType::kFloat32, {2, 3, kColumns / g}};
  cpp.offset = {cpp_offset.data(), DType::kFloat32, {2, 3, kColumns / g}};
  ASSERT_TRUE(DynamicQuant(cpp).ok());
  ExpectSame(y, cpp_y);
  ExpectSame(scale, cpp_scale);
  ExpectSame(offset, cpp_offset);

  kvant_tensor_spec specs[3];
  DynamicQuantOutputs outputs;
  ASSERT_EQ(kvant_infer_dynamic_quant(&c, &specs[0], &specs[1], &specs[2]), KVANT_OK);
  ASSERT_TRUE(InferDynamicQuant(cpp, &outputs).ok());
  ExpectSame(specs[0], outputs.y, kDlUInt8);
  ExpectSame(specs[1], outputs.scale, kDlFloat32);
  ExpectSame(specs[2], outputs.offset, kDlFloat32);
}

TEST_F(CApiOps, DynamicQuantPerChannelToHiFloat8) {
  auto y = Unwritten<uint8_t>(kElements), cpp_y = y;
  auto scale = Unwritten<float>(2 * kColumns), cpp_scale = scale;
  DlTensor y_t(y.data(), kDlUInt8, {2, 3, kColumns}), scale_t(scale.data(), kDlFloat32, {2, kColumns});
  kvant_dynamic_quant_args c = KVANT_DYNAMIC_QUANT_ARGS_INIT;
  c.x = &x;
  c.smooth_scales = &channels;
  c.dst_type = KVANT_HIFLOAT8;
  c.symmetric = 1;
  c.quant_mode = KVANT_PER_CHANNEL;
  c.dst_type_max = 15;
  c.y = &y_t;
  c.scale = &scale_t;
  ASSERT_EQ(kvant_dynamic_quant(&c, nullptr), KVANT_OK) << kvant_last_error();

  DynamicQuantArgs cpp;
  cpp.x = cpp_x;
  cpp.smooth_scales = cpp_channels;
  cpp.dst_type = Format::kHiFloat8;
  cpp.symmetric = true;
  cpp.quant_mode = QuantMode::kPerChannel;
  cpp.dst_type_max = 15;
  cpp.y = {cpp_y.data(), DType::kUInt8, {2, 3, kColumns}};
  cpp.scale = {cpp_scale.data(), DType::kFloat32, {2, kColumns}};
  ASSERT_TRUE(DynamicQuant(cpp).ok());
  ExpectSame(y, cpp_y);
  ExpectSame(scale, cpp_scale);

  // Symmetric: no offset. Results that are not asked for are NULL, and result fields are not read.
  kvant_tensor_spec none;
  DlTensor not_legal(nullptr, {kDLComplex, 64, 1}, {1});
  c.y = c.scale = c.offset = &not_legal;
  ASSERT_EQ(kvant_infer_dynamic_quant(&c, nullptr, nullptr, &none), KVANT_OK) << kvant_last_error();
  EXPECT_EQ(none.ndim, -1);
  c.x = nullptr;
  EXPECT_EQ(kvant_infer_dynamic_quant(&c, nullptr, nullptr, &none), KVANT_INVALID_VALUE);
  EXPECT_STREQ(kvant_last_error(), "dynamic_quant: x is missing");
}

TEST_F(CApiOps, StatisticsParametersAndCodes) {
  const int64_t g = 8, n = kElements / g;
  const std::vector<int64_t> shape = {2, 3, kColumns / g};
  auto min = Unwritten<float>(n), max = min, amax = min, scale = min, offset = min, symmetric_scale = min;
  DlTensor min_t(min.data(), kDlFloat32, shape), max_t(max.data(), kDlFloat32, shape);
  DlTensor amax_t(amax.data(), kDlFloat32, shape);
  kvant_row_stats_args stats = KVANT_ROW_STATS_ARGS_INIT;
  stats.x = &x;
  stats.smooth_scales = &smooth;
  stats.group_index = &ends;
  stats.group_size = g;
  stats.min = &min_t;
  stats.max = &max_t;
  stats.amax = &amax_t;
  ASSERT_EQ(kvant_row_minmax(&stats, nullptr), KVANT_OK) << kvant_last_error();
  ASSERT_EQ(kvant_row_amax(&stats, nullptr), KVANT_OK) << kvant_last_error();
  for (int64_t i = 0; i < n; ++i) {
    float low = kInfinity, high = -kInfinity;
    for (int64_t k = 0; k < g; ++k) {
      const int64_t at = i * g + k, expert = at / kColumns < ends_[0] ? 0 : 1;
      const float v = x_[at] * smooth_[expert * kColumns + at % kColumns];
      low = std::min(low, v);
      high = std::max(high, v);
    }
    EXPECT_EQ(min[i], low);
    EXPECT_EQ(max[i], high);
    EXPECT_EQ(amax[i], std::max(-low, high));
  }
  kvant_tensor_spec spec;
  ASSERT_EQ(kvant_infer_row_stats(&stats, &spec), KVANT_OK);
  ASSERT_EQ(spec.ndim, 3);
  EXPECT_EQ(spec.shape[2], kColumns / g);

  DlTensor scale_t(scale.data(), kDlFloat32, shape), offset_t(offset.data(), kDlFloat32, shape);
  DlTensor symmetric_t(symmetric_scale.data(), kDlFloat32, shape);
  kvant_params_from_minmax_args from_minmax = KVANT_PARAMS_FROM_MINMAX_ARGS_INIT;
  from_minmax.min = &min_t;
  from_minmax.max = &max_t;
  from_minmax.scale = &scale_t;
  from_minmax.offset = &offset_t;
  ASSERT_EQ(kvant_params_from_minmax(&from_minmax), KVANT_OK) << kvant_last_error();
  kvant_params_from_amax_args from_amax = KVANT_PARAMS_FROM_AMAX_ARGS_INIT;
  from_amax.amax = &amax_t;
  from_amax.dst_type = KVANT_HIFLOAT8;
  from_amax.dst_type_max = 3;
  from_amax.scale = &symmetric_t;
  ASSERT_EQ(kvant_params_from_amax(&from_amax), KVANT_OK) << kvant_last_error();
  for (int64_t i = 0; i < n; ++i) {
    EXPECT_EQ(scale[i], (max[i] - min[i]) / 255.0f);
    EXPECT_EQ(offset[i], 127.0f - max[i] / scale[i]);
    EXPECT_EQ(symmetric_scale[i], amax[i] / 3.0f);
  }

  auto codes = Unwritten<int8_t>(kElements), whole = codes;
  DlTensor codes_t(codes.data(), kDlInt8, {2, 3, kColumns}), whole_t(whole.data(), kDlInt8, {2, 3, kColumns});
  kvant_quantize_with_params_args encode = KVANT_QUANTIZE_WITH_PARAMS_ARGS_INIT;
  encode.x = &x;
  encode.scale = &scale_t;
  encode.offset = &offset_t;
  encode.smooth_scales = &smooth;
  encode.group_index = &ends;
  encode.group_size = g;
  encode.y = &codes_t;
  ASSERT_EQ(kvant_quantize_with_params(&encode, nullptr), KVANT_OK) << kvant_last_error();
  ASSERT_EQ(kvant_infer_quantize_with_params(&encode, &spec), KVANT_OK);
  EXPECT_EQ(spec.ndim, 3);
  EXPECT_EQ(spec.bytes, kElements);
  kvant_dynamic_quant_args all = KVANT_DYNAMIC_QUANT_ARGS_INIT;
  all.x = &x;
  all.smooth_scales = &smooth;
  all.group_index = &ends;
  all.group_size = g;
  all.y = &whole_t;
  all.scale = &min_t;
  all.offset = &max_t;
  ASSERT_EQ(kvant_dynamic_quant(&all, nullptr), KVANT_OK) << kvant_last_error();
  ExpectSame(codes, whole);
}

TEST_F(CApiOps, QuantizeAndDequantize) {
  std::vector<float> scales = {0.5f, 0.0625f, 1.7f};
  std::vector<int32_t> points = {1, -2, 3};
  auto y = Unwritten<uint8_t>(kElements), cpp_y = y;
  DlTensor scales_t(scales.data(), kDlFloat32, {3}), points_t(points.data(), {kDLInt, 32, 1}, {3});
  DlTensor y_t(y.data(), kDlUInt8, {2, 3, kColumns});
  kvant_quantize_args c = KVANT_QUANTIZE_ARGS_INIT;
  c.x = &x;
  c.quant_scales = &scales_t;
  c.quant_zero_points = &points_t;
  c.dst_type = KVANT_HIFLOAT8;
  c.axis = 1;
  c.reciprocal_scale = 1;
  c.round_mode = KVANT_ROUND_HYBRID;
  c.y = &y_t;
  ASSERT_EQ(kvant_quantize(&c, nullptr), KVANT_OK) << kvant_last_error();
  QuantizeArgs cpp;
  cpp.x = cpp_x;
  cpp.quant_scales = {scales.data(), DType::kFloat32, {3}};
  cpp.quant_zero_points = {points.data(), DType::kInt32, {3}};
  cpp.dst_type = Format::kHiFloat8;
  cpp.axis = 1;
  cpp.reciprocal_scale = true;
  cpp.round_mode = RoundMode::kHybrid;
  cpp.y = {cpp_y.data(), DType::kUInt8, {2, 3, kColumns}};
  ASSERT_TRUE(Quantize(cpp).ok());
  ExpectSame(y, cpp_y);
  kvant_tensor_spec spec;
  ASSERT_EQ(kvant_infer_quantize(&c, &spec), KVANT_OK);
  EXPECT_EQ(spec.bytes, kElements);

  auto back = Unwritten<uint16_t>(kElements), cpp_back = back;
  auto scale = Numbers(2 * kColumns, 0.3f), offset = Numbers(2 * kColumns, 2.0f);
  DlTensor scale_t(scale.data(), kDlFloat32, {2, kColumns}), offset_t(offset.data(), kDlFloat32, {2, kColumns});
  DlTensor back_t(back.data(), {kDLBfloat, 16, 1}, {2, 3, kColumns});
  kvant_dequantize_args d = KVANT_DEQUANTIZE_ARGS_INIT;
  d.y = &y_t;
  d.scale = &scale_t;
  d.offset = &offset_t;
  d.dst_type = KVANT_HIFLOAT8;
  d.quant_mode = KVANT_PER_CHANNEL;
  d.negate_offset = 1;
  d.x = &back_t;
  ASSERT_EQ(kvant_dequantize(&d, nullptr), KVANT_OK) << kvant_last_error();
  DequantizeArgs cpp_d;
  cpp_d.y = cpp.y;
  cpp_d.scale = {scale.data(), DType::kFloat32, {2, kColumns}};
  cpp_d.offset = {offset.data(), DType::kFloat32, {2, kColumns}};
  cpp_d.dst_type = Format::kHiFloat8;
  cpp_d.quant_mode = QuantMode::kPerChannel;
  cpp_d.negate_offset = true;
  cpp_d.x = {cpp_back.data(), DType::kBFloat16, {2, 3, kColumns}};
  ASSERT_TRUE(Dequantize(cpp_d).ok());
  ExpectSame(back, cpp_back);
  ASSERT_EQ(kvant_infer_dequantize(&d, {kDLFloat, 16, 1}, &spec), KVANT_OK);
  EXPECT_EQ(spec.dtype.code, kDLFloat);
  EXPECT_EQ(spec.bytes, 2 * kElements);
  EXPECT_EQ(kvant_infer_dequantize(&d, {kDLFloat, 64, 1}, &spec), KVANT_INVALID_TYPE);
  EXPECT_EQ(std::string(kvant_last_error()).substr(0, 30), "dequantize: dtype is float64 (");
}

}  // namespace
}  // namespace kvant
