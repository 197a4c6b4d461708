// Every check, with its exact text, and that a call that fails has written nothing.
#include <limits>
#include <string>

#include "kvant/ops/dequant_swiglu_quant/rules_test_util.h"

namespace kvant {
namespace {

using testing::Shape;

TEST_F(DequantSwigluQuantRules, ThePlainCallIsLegal) {
  Works([](auto&) {});
  EXPECT_FALSE(y_.Untouched());
  EXPECT_FALSE(scale_.Untouched());
}

TEST_F(DequantSwigluQuantRules, X) {
  InputFails(kValue, "x is missing", [](auto& a) { a.x = {}; });
  InputFails(kType, "x is int8, expected int32, float16, bfloat16 or float32", [&](auto& a) {
    a.x = Table(DType::kInt8, {2, 3, 8});
  });
  InputFails(kValue, "x has no dimensions, expected at least 1", [&](auto& a) { a.x = Floats({}); });
  InputFails(kValue, "x.shape[-1] is 7, expected an even number: gates and linear parts", [&](auto& a) {
    a.x = Floats({2, 3, 7});
  });
  Fails(kValue, "x is on a CUDA device, expected a CPU tensor", [](auto& a) { a.x.set_device(Device::kCuda); });
}

TEST_F(DequantSwigluQuantRules, Attributes) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  InputFails(kValue, "dst_type is int4, expected int8, float8_e4m3fn, float8_e5m2 or hifloat8",
             [](auto& a) { a.dst_type = Format::kInt4; });
  InputFails(kValue, "clamp_limit is 10, but swiglu_mode is 0: it is for the clamped modes 1 and 2",
             [](auto& a) { a.clamp_limit = 10; });
  InputFails(kValue, "glu_alpha is 1, but swiglu_mode is 0: it is for the clamped modes 1 and 2",
             [](auto& a) { a.glu_alpha = 1; });
  InputFails(kValue, "glu_bias is 0, but swiglu_mode is 0: it is for the clamped modes 1 and 2",
             [](auto& a) { a.glu_bias = 0; });
  for (const SwigluMode mode : {SwigluMode::kClamped, SwigluMode::kClampedInterleaved}) {
    const auto clamped = [mode](const Change& change) {
      return [mode, change](DequantSwigluQuantArgs& a) {
        a.swiglu_mode = mode;
        change(a);
      };
    };
    InputFails(kValue, "clamp_limit is 0, expected a float32 above 0", clamped([](auto& a) { a.clamp_limit = 0; }));
    InputFails(kValue, "clamp_limit is -7, expected a float32 above 0", clamped([](auto& a) { a.clamp_limit = -7; }));
    InputFails(kValue, "clamp_limit is 1e-60, expected a float32 above 0",
               clamped([](auto& a) { a.clamp_limit = 1e-60; }));
    InputFails(kValue, "clamp_limit is inf, expected a finite float32",
               clamped([](auto& a) { a.clamp_limit = kInfinity; }));
    InputFails(kValue, "glu_alpha is 1e+39, expected a finite float32", clamped([](auto& a) { a.glu_alpha = 1e39; }));
    InputFails(kValue, "glu_bias is nan, expected a finite float32",
               clamped([](auto& a) { a.glu_bias = std::numeric_limits<double>::quiet_NaN(); }));
    Works(clamped([](auto& a) { a.glu_alpha = a.glu_bias = 0; }));
  }
}

TEST_F(DequantSwigluQuantRules, OnlyInt32TakesScalesAndBias) {
  const auto halves = [&](auto& a) { a.x = Table(DType::kBFloat16, {2, 3, 8}); };
  InputFails(kValue, "weight_scale was given, but x is bfloat16: it is for int32", [&](auto& a) {
    halves(a);
    a.weight_scale = Floats({8});
  });
  InputFails(kValue, "activation_scale was given, but x is bfloat16: it is for int32", [&](auto& a) {
    halves(a);
    a.activation_scale = Floats({6});
  });
  InputFails(kValue, "bias was given, but x is bfloat16: it is for int32", [&](auto& a) {
    halves(a);
    a.bias = Floats({8});
  });
}

TEST_F(DequantSwigluQuantRules, Dtypes) {
  InputFails(kType, "weight_scale is float16, expected float32",
             [&](auto& a) { a.weight_scale = Table(DType::kFloat16, {8}); });
  InputFails(kType, "activation_scale is bfloat16, expected float32",
             [&](auto& a) { a.activation_scale = Table(DType::kBFloat16, {6}); });
  InputFails(kType, "bias is int64, expected int32, float16, bfloat16 or float32",
             [&](auto& a) { a.bias = Table(DType::kInt64, {8}); });
  InputFails(kType, "quant_scale is int32, expected float16, bfloat16 or float32",
             [&](auto& a) { a.quant_scale = Table(DType::kInt32, {4}); });
  InputFails(kType, "quant_offset is int8, expected float16, bfloat16 or float32",
             [&](auto& a) { a.quant_offset = Table(DType::kInt8, {4}); });
  InputFails(kType, "group_index is float32, expected int32 or int64", [&](auto& a) { a.group_index = Floats({2}); });
  Fails(kType, "y is uint8, but codes of int8 are stored as int8", [&](auto& a) {
    a.y = TensorView(memory_, DType::kUInt8, {2, 3, 4});
  });
  Fails(kType, "scale is float16, expected float32", [&](auto& a) {
    a.scale = TensorView(memory_, DType::kFloat16, {2, 3});
  });
}

TEST_F(DequantSwigluQuantRules, OffsetIsForStatic) {
  InputFails(kValue, "quant_offset was given, but quant_mode is dynamic: it is for static", [&](auto& a) {
    a.quant_mode = ScaleSource::kDynamic;
    a.quant_offset = Floats({4});
  });
}

TEST_F(DequantSwigluQuantRules, Results) {
  Fails(kValue, "y is missing", [](auto& a) { a.y = {}; });
  Fails(kValue, "scale is missing", [](auto& a) { a.scale = {}; });
  Fails(kValue, "y has shape [2, 3, 8], expected [2, 3, 4]", [&](auto& a) {
    a.y = TensorView(memory_, DType::kInt8, {2, 3, 8});
  });
  Fails(kValue, "scale has shape [6], expected [2, 3]",
        [&](auto& a) { a.scale = TensorView(memory_, DType::kFloat32, {6}); });
  Fails(kValue, "elements of y share memory: shape [2, 3, 4], strides [0, 4, 1]", [&](auto& a) {
    a.y = TensorView(memory_, DType::kInt8, {2, 3, 4}, {0, 4, 1});
  });
  Fails(kValue, "y and scale share memory", [&](auto& a) {
    a.y = TensorView(memory_, DType::kInt8, {2, 3, 4});
    a.scale = TensorView(memory_ + 2, DType::kFloat32, {2, 3});
  });
  Fails(kValue, "x and y share memory", [&](auto& a) {
    a.x = Floats({2, 3, 8});
    a.y = TensorView(memory_, DType::kInt8, {2, 3, 4});
  });
  const struct {
    std::string name;
    ConstTensorView DequantSwigluQuantArgs::*field;
    Shape shape;
  } kInputs[] = {{"weight_scale", &DequantSwigluQuantArgs::weight_scale, {8}},
                 {"activation_scale", &DequantSwigluQuantArgs::activation_scale, {6}},
                 {"bias", &DequantSwigluQuantArgs::bias, {8}},
                 {"quant_scale", &DequantSwigluQuantArgs::quant_scale, {4}},
                 {"quant_offset", &DequantSwigluQuantArgs::quant_offset, {4}}};
  for (const auto& input : kInputs) {
    Fails(kValue, input.name + " and scale share memory", [&](auto& a) {
      a.*input.field = Floats(input.shape);
      a.scale = TensorView(memory_, DType::kFloat32, {2, 3});
    });
  }
  Fails(kValue, "group_index and y share memory", [&](auto& a) {
    a.group_index = Table(DType::kInt64, {2});
    a.y = TensorView(memory_, DType::kInt8, {2, 3, 4});
  });
}

TEST_F(DequantSwigluQuantRules, Infer) {
  DequantSwigluQuantArgs args = Args();
  args.dst_type = Format::kFloat8E5M2;
  args.y = args.scale = {};
  TensorSpec y, scale;
  ASSERT_TRUE(InferDequantSwigluQuant(args, &y, &scale).ok());
  EXPECT_EQ(y.dtype, DType::kFloat8E5M2);
  EXPECT_EQ(Shape(y.dims().begin(), y.dims().end()), (Shape{2, 3, 4}));
  EXPECT_EQ(scale.dtype, DType::kFloat32);
  EXPECT_EQ(Shape(scale.dims().begin(), scale.dims().end()), (Shape{2, 3}));
}

}  // namespace
}  // namespace kvant
