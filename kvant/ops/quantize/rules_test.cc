// Every check, with its exact text, and that a call that fails has written nothing.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "kvant/ops/quantize/quantize.h"
#include "kvant/testing/status_codes.h"
#include "kvant/testing/tensors.h"

namespace kvant {
namespace {

using testing::Rng;
using testing::Shape;
using testing::TestTensor;

class QuantizeRules : public ::testing::Test {
 protected:
  QuantizeRules()
      : x_(DType::kFloat16, {3, 4}, rng_),
        scales_(DType::kFloat32, {4}, rng_),
        zero_points_(DType::kInt32, {4}, rng_),
        y_(DType::kInt8, {3, 4}, rng_) {}

  QuantizeArgs Args() {
    QuantizeArgs args;
    args.x = x_.view();
    args.quant_scales = scales_.view();
    args.quant_zero_points = zero_points_.view();
    args.y = y_.view();
    return args;
  }
  // Whatever `change` breaks about inputs and attributes, InferQuantize says the same.
  void InputFails(StatusCode code, const std::string& text, const std::function<void(QuantizeArgs&)>& change) {
    QuantizeArgs args = Args();
    change(args);
    TensorSpec spec;
    const Status status = InferQuantize(args, &spec);
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(status.message(), "quantize: " + text);
    EXPECT_EQ(spec.rank, 0);
    Fails(code, text, change);
  }
  void Fails(StatusCode code, const std::string& text, const std::function<void(QuantizeArgs&)>& change) {
    QuantizeArgs args = Args();
    change(args);
    const Status status = Quantize(args);
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(status.message(), "quantize: " + text);
    EXPECT_TRUE(x_.Untouched() && scales_.Untouched() && zero_points_.Untouched() && y_.Untouched()) << text;
  }
  static TensorView As(const ConstTensorView& t, DType dtype, Shape shape) {
    return {const_cast<void*>(t.data()), dtype, shape};
  }

  Rng rng_{1};
  TestTensor x_, scales_, zero_points_, y_;
};

TEST_F(QuantizeRules, ThePlainCallIsLegal) {
  EXPECT_TRUE(Quantize(Args()).ok());
  EXPECT_FALSE(y_.Untouched());
}

TEST_F(QuantizeRules, X) {
  InputFails(kValue, "x is missing", [](auto& a) { a.x = {}; });
  InputFails(kType, "x is int8, expected float16, bfloat16 or float32", [](auto& a) {
    a.x = As(a.x, DType::kInt8, {3, 4});
  });
  InputFails(kValue, "x has no dimensions, expected at least 1", [](auto& a) { a.x = As(a.x, DType::kFloat16, {}); });
  InputFails(kValue, "x has 33 dimensions, at most 32 are supported",
             [](auto& a) { a.x = As(a.x, DType::kFloat16, Shape(33, 1)); });
  InputFails(kValue, "x.shape[1] is -4, a size cannot be negative", [](auto& a) {
    a.x = As(a.x, DType::kFloat16, {3, -4});
  });
  InputFails(kValue, "x has shape [3, 4] but no memory", [](auto& a) {
    a.x = ConstTensorView(nullptr, DType::kFloat16, {3, 4});
  });
  Fails(kValue, "x is on a CUDA device, expected a CPU tensor", [](auto& a) { a.x.set_device(Device::kCuda); });
  InputFails(kValue, "x.shape[-1] is 3, int4 packs pairs and needs an even one", [](auto& a) {
    a.dst_type = Format::kInt4;
    a.x = As(a.x, DType::kFloat16, {4, 3});
  });
}

TEST_F(QuantizeRules, Axis) {
  InputFails(kValue, "axis is 2, expected -2 to 1", [](auto& a) { a.axis = 2; });
  InputFails(kValue, "axis is -3, expected -2 to 1", [](auto& a) { a.axis = -3; });
}

TEST_F(QuantizeRules, Parameters) {
  InputFails(kValue, "quant_scales is missing", [](auto& a) { a.quant_scales = {}; });
  InputFails(kType, "quant_scales is int32, expected float16, bfloat16 or float32",
             [](auto& a) { a.quant_scales = As(a.quant_scales, DType::kInt32, {4}); });
  InputFails(kValue, "quant_scales has 3 elements, expected 1 or x.shape[-1] = 4",
             [](auto& a) { a.quant_scales = As(a.quant_scales, DType::kFloat32, {3}); });
  InputFails(kValue, "quant_scales has 4 elements, expected 1 or x.shape[0] = 3", [](auto& a) { a.axis = 0; });
  InputFails(kValue, "quant_scales has 0 elements, expected 1 or x.shape[-1] = 4",
             [](auto& a) { a.quant_scales = As(a.quant_scales, DType::kFloat32, {0}); });
  InputFails(kValue, "quant_scales has shape [4] but no memory",
             [](auto& a) { a.quant_scales = ConstTensorView(nullptr, DType::kFloat32, {4}); });
  InputFails(kType, "quant_zero_points is int64, expected int32, float16, bfloat16 or float32",
             [](auto& a) { a.quant_zero_points = As(a.quant_zero_points, DType::kInt64, {4}); });
  InputFails(kValue, "quant_zero_points has 2 elements, expected 1 or x.shape[-1] = 4", [](auto& a) {
    a.quant_zero_points = As(a.quant_zero_points, DType::kInt32, {1, 2});
  });
  Fails(kValue, "quant_zero_points is on a CUDA device, expected a CPU tensor",
        [](auto& a) { a.quant_zero_points.set_device(Device::kCuda); });
}

TEST_F(QuantizeRules, RoundMode) {
  InputFails(kValue, "round_mode is round, but dst_type is int8: it is for hifloat8",
             [](auto& a) { a.round_mode = RoundMode::kRound; });
  InputFails(kValue, "round_mode is hybrid, but dst_type is float8_e5m2: it is for hifloat8", [](auto& a) {
    a.dst_type = Format::kFloat8E5M2;
    a.round_mode = RoundMode::kHybrid;
  });
}

TEST_F(QuantizeRules, Y) {
  Fails(kValue, "y is missing", [](auto& a) { a.y = {}; });
  Fails(kType, "y is uint8, but codes of int8 are stored as int8", [](auto& a) {
    a.y = As(a.y, DType::kUInt8, {3, 4});
  });
  Fails(kType, "y is int8, but codes of float8_e4m3fn are stored as float8_e4m3fn or uint8",
        [](auto& a) { a.dst_type = Format::kFloat8E4M3FN; });
  Fails(kValue, "y has shape [4, 3], expected [3, 4]", [](auto& a) { a.y = As(a.y, DType::kInt8, {4, 3}); });
  Fails(kValue, "x.shape[-1] is 4, but int32 holds 8 codes of int4 in an element", [](auto& a) {
    a.dst_type = Format::kInt4;
    a.y = As(a.y, DType::kInt32, {3, 1});
  });
  Fails(kValue, "y has stride 2 in its packed last dimension, expected 1", [](auto& a) {
    a.dst_type = Format::kInt4;
    a.y = TensorView(a.y.data(), DType::kUInt8, {3, 2}, {4, 2});
  });
  Fails(kValue, "elements of y share memory: shape [3, 4], strides [0, 1]", [](auto& a) {
    a.y = TensorView(a.y.data(), DType::kInt8, {3, 4}, {0, 1});
  });
  Fails(kValue, "x and y share memory", [](auto& a) { a.y = As(a.x, DType::kInt8, {3, 4}); });
  Fails(kValue, "quant_scales and y share memory", [](auto& a) { a.y = As(a.quant_scales, DType::kInt8, {3, 4}); });
  Fails(kValue, "quant_zero_points and y share memory", [](auto& a) {
    a.y = As(a.quant_zero_points, DType::kInt8, {3, 4});
  });
}

TEST_F(QuantizeRules, Shapes) {
  QuantizeArgs args = Args();
  TensorSpec spec;
  for (const auto& [format, dtype, last] : {std::tuple{Format::kInt8, DType::kInt8, 4},
                                            {Format::kInt4, DType::kUInt8, 2},
                                            {Format::kFloat8E5M2, DType::kFloat8E5M2, 4},
                                            {Format::kHiFloat8, DType::kUInt8, 4}}) {
    args.dst_type = format;
    ASSERT_TRUE(InferQuantize(args, &spec).ok());
    EXPECT_EQ(spec.dtype, dtype);
    EXPECT_EQ(Shape(spec.dims().begin(), spec.dims().end()), (Shape{3, last}));
  }
}

// One and many may be mixed, in any shape.
TEST_F(QuantizeRules, ParametersInAnyShape) {
  QuantizeArgs args = Args();
  args.quant_scales = As(args.quant_scales, DType::kFloat32, {1, 1});
  EXPECT_TRUE(Quantize(args).ok());
  args.quant_scales = As(scales_.view(), DType::kFloat32, {2, 1, 2});
  args.quant_zero_points = As(args.quant_zero_points, DType::kInt32, {});
  EXPECT_TRUE(Quantize(args).ok());
  args.quant_zero_points = {};
  EXPECT_TRUE(Quantize(args).ok());
}

}  // namespace
}  // namespace kvant
