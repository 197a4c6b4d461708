// Every check, with its exact text, and that a call that fails has written nothing.
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

#include "kvant/ops/dequant_swiglu_quant/dequant_swiglu_quant.h"
#include "kvant/testing/tensors.h"

namespace kvant {
namespace {

using testing::Rng;
using testing::Shape;
using testing::TestTensor;

constexpr StatusCode kValue = StatusCode::kInvalidValue, kType = StatusCode::kInvalidType,
                     kRange = StatusCode::kOutOfRange;

// x [2, 3, 8], so 6 rows and H = 4.
class DequantSwigluQuantRules : public ::testing::Test {
 protected:
  using Change = std::function<void(DequantSwigluQuantArgs&)>;

  DequantSwigluQuantRules()
      : x_(DType::kInt32, {2, 3, 8}, rng_), y_(DType::kInt8, {2, 3, 4}, rng_), scale_(DType::kFloat32, {2, 3}, rng_) {}

  DequantSwigluQuantArgs Args() {
    DequantSwigluQuantArgs args;
    args.x = x_.view();
    args.y = y_.view();
    args.scale = scale_.view();
    return args;
  }
  // Whatever `change` breaks about inputs and attributes, InferDequantSwigluQuant says the same.
  void InputFails(StatusCode code, const std::string& text, const Change& change) {
    DequantSwigluQuantArgs args = Args();
    change(args);
    args.y = args.scale = {};
    TensorSpec y, scale;
    const Status status = InferDequantSwigluQuant(args, &y, &scale);
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(status.message(), "dequant_swiglu_quant: " + text);
    Fails(code, text, change);
  }
  void Fails(StatusCode code, const std::string& text, const Change& change) {
    y_.Reset();
    scale_.Reset();
    DequantSwigluQuantArgs args = Args();
    change(args);
    const Status status = DequantSwigluQuant(args);
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(status.message(), "dequant_swiglu_quant: " + text);
    EXPECT_TRUE(x_.Untouched() && y_.Untouched() && scale_.Untouched()) << text;
  }
  void Works(const Change& change) {
    DequantSwigluQuantArgs args = Args();
    change(args);
    const Status status = DequantSwigluQuant(args);
    EXPECT_TRUE(status.ok()) << status.message();
  }
  ConstTensorView Table(DType dtype, const Shape& shape) const { return {memory_, dtype, shape}; }
  ConstTensorView Floats(const Shape& shape) const { return Table(DType::kFloat32, shape); }
  ConstTensorView Groups(const std::vector<int64_t>& values, bool pairs = false) {
    kept_ = values;
    const auto n = static_cast<int64_t>(values.size());
    return {kept_.data(), DType::kInt64, pairs ? Shape{n / 2, 2} : Shape{n}};
  }

  Rng rng_{1};
  TestTensor x_, y_, scale_;
  uint64_t memory_[256] = {};  // for inputs whose contents do not matter
  std::vector<int64_t> kept_;
};

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

TEST_F(DequantSwigluQuantRules, TablesWithoutGroups) {
  InputFails(kValue, "weight_scale has shape [4], expected [8] or [1, 8] without a group_index",
             [&](auto& a) { a.weight_scale = Floats({4}); });
  InputFails(kValue, "weight_scale has shape [2, 8], expected [8] or [1, 8] without a group_index", [&](auto& a) {
    a.weight_scale = Floats({2, 8});
  });
  InputFails(kValue, "weight_scale has shape [1], expected [8] or [1, 8] without a group_index",
             [&](auto& a) { a.weight_scale = Floats({1}); });
  InputFails(kValue, "bias has shape [1, 1, 8], expected [8] or [1, 8] without a group_index", [&](auto& a) {
    a.bias = Floats({1, 1, 8});
  });
  InputFails(kValue, "quant_scale has shape [3], expected [4], [1, 4] or [1] without a group_index",
             [&](auto& a) { a.quant_scale = Floats({3}); });
  InputFails(kValue, "quant_offset has shape [6, 1], expected [4], [1, 4] or [1] without a group_index", [&](auto& a) {
    a.quant_offset = Floats({6, 1});
  });
  InputFails(kValue, "quant_scale has shape [], expected [4], [1, 4] or [1] without a group_index",
             [&](auto& a) { a.quant_scale = Floats({}); });
  InputFails(kValue, "activation_scale has shape [2], expected 6 elements: one for each row of x",
             [&](auto& a) { a.activation_scale = Floats({2}); });
  for (const Shape& shape : {Shape{6}, Shape{2, 3}, Shape{6, 1}, Shape{1, 3, 1, 2}}) {
    Works([&](auto& a) { a.activation_scale = Floats(shape); });
  }
  for (const Shape& shape : {Shape{4}, Shape{1, 4}, Shape{1}, Shape{1, 1}}) {
    Works([&](auto& a) { a.quant_scale = a.quant_offset = Floats(shape); });
  }
}

TEST_F(DequantSwigluQuantRules, TablesWithCounts) {
  const std::string each = ": a row for each element of group_index, or one for all";
  InputFails(kValue, "weight_scale has shape [2, 8], expected [8], [1, 8] or [3, 8]" + each, [&](auto& a) {
    a.group_index = Groups({1, 2, 3});
    a.weight_scale = Floats({2, 8});
  });
  InputFails(kValue, "quant_scale has shape [2], expected [4], [1, 4], [3, 4], [1], [3] or [3, 1]" + each,
             [&](auto& a) {
               a.group_index = Groups({1, 2, 3});
               a.quant_scale = Floats({2});
             });
  for (const Shape& shape : {Shape{8}, Shape{1, 8}, Shape{3, 8}}) {
    Works([&](auto& a) {
      a.group_index = Groups({1, 2, 3});
      a.weight_scale = a.bias = Floats(shape);
    });
  }
  for (const Shape& shape : {Shape{4}, Shape{1, 4}, Shape{3, 4}, Shape{1}, Shape{3}, Shape{3, 1}, Shape{1, 1}}) {
    Works([&](auto& a) {
      a.group_index = Groups({1, 2, 3});
      a.quant_scale = Floats(shape);
    });
  }
}

TEST_F(DequantSwigluQuantRules, TablesWithPairs) {
  const std::string any = ": P parameter rows, or one for all";
  InputFails(kValue, "bias has shape [2, 8], expected [8], [1, 8] or [5, 8]" + any, [&](auto& a) {
    a.group_index = Groups({1, 2, 0, 3}, true);
    a.weight_scale = Floats({5, 8});
    a.bias = Floats({2, 8});
  });
  InputFails(kValue, "quant_scale has shape [3], expected [4], [1, 4], [P, 4], [1], [P] or [P, 1]" + any, [&](auto& a) {
    a.group_index = Groups({1, 2, 0, 3}, true);
    a.quant_scale = Floats({3});
  });
  Works([&](auto& a) {
    a.group_index = Groups({1, 2, 0, 3}, true);
    a.weight_scale = Floats({5, 8});
    a.quant_scale = Floats({5});
    a.quant_offset = Floats({4});
  });
}

TEST_F(DequantSwigluQuantRules, GroupIndex) {
  InputFails(kValue, "group_index has shape [2, 3], expected [G], row counts, or [G, 2], parameter rows and row counts",
             [&](auto& a) {
               a.group_index = Table(DType::kInt64, {2, 3});
             });
  InputFails(kValue, "group_index has shape [], expected [G], row counts, or [G, 2], parameter rows and row counts",
             [&](auto& a) { a.group_index = Table(DType::kInt64, {}); });
  Fails(kRange, "group_index[1] is -1, a number of rows cannot be negative", [&](auto& a) {
    a.group_index = Groups({1, -1});
  });
  Fails(kRange, "group_index[2] is 4, but after the groups before it 3 of the 6 rows of x are left", [&](auto& a) {
    a.group_index = Groups({2, 1, 4, 0});
  });
  Fails(kRange, "group_index[1] is 9223372036854775807, but after the groups before it 5 of the 6 rows of x are left",
        [&](auto& a) {
          a.group_index = Groups({1, INT64_MAX});
        });
  Works([&](auto& a) { a.group_index = Groups({2, 0, 3}); });
  Works([&](auto& a) { a.group_index = Groups({}); });
}

TEST_F(DequantSwigluQuantRules, CumulativeEndsAreRecognized) {
  Fails(kRange,
        "group_index[2] is 6, but after the groups before it 1 of the 6 rows of x are left; these look like "
        "cumulative end rows, row counts are wanted: counts_from_ends makes the one of the other",
        [&](auto& a) {
          a.group_index = Groups({2, 3, 6});
        });
  Fails(kRange,
        "group_index[1, 1] is 5, but after the groups before it 3 of the 6 rows of x are left; these look like "
        "cumulative end rows, row counts are wanted: counts_from_ends makes the one of the other",
        [&](auto& a) {
          a.group_index = Groups({0, 3, 1, 5}, true);
        });
  Fails(kRange, "group_index[1] is 6, but after the groups before it 3 of the 6 rows of x are left", [&](auto& a) {
    a.group_index = Groups({3, 6, 5});
  });
}

TEST_F(DequantSwigluQuantRules, ParameterRows) {
  Fails(kRange, "group_index[1, 0] is 3, but there are 3 parameter rows", [&](auto& a) {
    a.group_index = Groups({2, 1, 3, 0}, true);
    a.weight_scale = Floats({3, 8});
  });
  Fails(kRange, "group_index[0, 0] is -1, but there are 3 parameter rows", [&](auto& a) {
    a.group_index = Groups({-1, 1}, true);
    a.quant_scale = Floats({3, 1});
  });
  Fails(kRange, "group_index[0, 0] is 1, but there are 1 parameter rows", [&](auto& a) {
    a.group_index = Groups({1, 1}, true);
    a.weight_scale = Floats({1, 8});
  });
  Fails(kRange, "group_index[0, 0] is -2, a parameter row cannot be negative", [&](auto& a) {
    a.group_index = Groups({-2, 1}, true);
  });
  Fails(kRange, "group_index[1, 1] is -5, a number of rows cannot be negative", [&](auto& a) {
    a.group_index = Groups({0, 1, 0, -5}, true);
  });
  Works([&](auto& a) { a.group_index = Groups({77, 1}, true); });
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
