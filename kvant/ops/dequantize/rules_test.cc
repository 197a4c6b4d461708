// Every check, with its exact text, and that a call that fails has written nothing.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "kvant/ops/dequantize/dequantize.h"
#include "kvant/testing/status_codes.h"
#include "kvant/testing/tensors.h"

namespace kvant {
namespace {

using testing::Rng;
using testing::Shape;
using testing::TestTensor;

class DequantizeRules : public ::testing::Test {
 protected:
  DequantizeRules()
      : y_(DType::kInt8, {3, 4}, rng_),
        scale_(DType::kFloat32, {3}, rng_),
        offset_(DType::kFloat32, {3}, rng_),
        x_(DType::kFloat16, {3, 4}, rng_) {}

  DequantizeArgs Args() {
    DequantizeArgs args;
    args.y = y_.view();
    args.scale = scale_.view();
    args.offset = offset_.view();
    args.x = x_.view();
    return args;
  }
  // Whatever `change` breaks about inputs and attributes, InferDequantize says the same.
  void InputFails(StatusCode code, const std::string& text, const std::function<void(DequantizeArgs&)>& change) {
    DequantizeArgs args = Args();
    change(args);
    TensorSpec spec;
    const Status status = InferDequantize(args, DType::kFloat16, &spec);
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(status.message(), "dequantize: " + text);
    EXPECT_EQ(spec.rank, 0);
    Fails(code, text, change);
  }
  void Fails(StatusCode code, const std::string& text, const std::function<void(DequantizeArgs&)>& change) {
    DequantizeArgs args = Args();
    change(args);
    const Status status = Dequantize(args);
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(status.message(), "dequantize: " + text);
    EXPECT_TRUE(y_.Untouched() && scale_.Untouched() && offset_.Untouched() && x_.Untouched()) << text;
  }
  static TensorView As(const ConstTensorView& t, DType dtype, Shape shape) {
    return {const_cast<void*>(t.data()), dtype, shape};
  }

  Rng rng_{1};
  TestTensor y_, scale_, offset_, x_;
};

TEST_F(DequantizeRules, ThePlainCallIsLegal) {
  EXPECT_TRUE(Dequantize(Args()).ok());
  EXPECT_FALSE(x_.Untouched());
}

TEST_F(DequantizeRules, Y) {
  InputFails(kValue, "y is missing", [](auto& a) { a.y = {}; });
  InputFails(kValue, "y has no dimensions, expected at least 1", [](auto& a) { a.y = As(a.y, DType::kInt8, {}); });
  InputFails(kType, "y is uint8, but codes of int8 are stored as int8", [](auto& a) {
    a.y = As(a.y, DType::kUInt8, {3, 4});
  });
  InputFails(kType, "y is int8, but codes of int4 are stored as uint8 or int32",
             [](auto& a) { a.dst_type = Format::kInt4; });
  InputFails(kType, "y is float8_e5m2, but codes of float8_e4m3fn are stored as float8_e4m3fn or uint8", [](auto& a) {
    a.dst_type = Format::kFloat8E4M3FN;
    a.y = As(a.y, DType::kFloat8E5M2, {3, 4});
  });
  InputFails(kValue, "y has 33 dimensions, at most 32 are supported",
             [](auto& a) { a.y = As(a.y, DType::kInt8, Shape(33, 1)); });
  InputFails(kValue, "y.shape[0] is -3, a size cannot be negative", [](auto& a) {
    a.y = As(a.y, DType::kInt8, {-3, 4});
  });
  InputFails(kValue, "y has shape [3, 4] but no memory", [](auto& a) {
    a.y = ConstTensorView(nullptr, DType::kInt8, {3, 4});
  });
  Fails(kValue, "y is on a CUDA device, expected a CPU tensor", [](auto& a) { a.y.set_device(Device::kCuda); });
  InputFails(kValue, "y has stride 2 in its packed last dimension, expected 1", [](auto& a) {
    a.dst_type = Format::kInt4;
    a.y = ConstTensorView(a.y.data(), DType::kUInt8, {3, 2}, {4, 2});
  });
}

TEST_F(DequantizeRules, Modes) {
  InputFails(kValue, "x has shape [12], quant_mode perchannel needs at least 2 dimensions", [](auto& a) {
    a.quant_mode = QuantMode::kPerChannel;
    a.y = As(a.y, DType::kInt8, {12});
  });
  InputFails(kValue, "group_size is 3, which does not divide x.shape[-1] = 4", [](auto& a) { a.group_size = 3; });
  InputFails(kValue, "group_size is -2, which does not divide x.shape[-1] = 4", [](auto& a) { a.group_size = -2; });
  InputFails(kValue, "group_size is 2, but quant_mode is pertensor: groups are for pertoken", [](auto& a) {
    a.group_size = 2;
    a.quant_mode = QuantMode::kPerTensor;
  });
  InputFails(kValue, "group_size is 2, but dst_type is hifloat8: groups are for int8 and int4", [](auto& a) {
    a.group_size = 2;
    a.dst_type = Format::kHiFloat8;
    a.y = As(a.y, DType::kUInt8, {3, 4});
  });
  InputFails(kValue, "group_size is 1, int4 packs pairs and needs an even one", [](auto& a) {
    a.group_size = 1;
    a.dst_type = Format::kInt4;
    a.y = As(a.y, DType::kUInt8, {3, 2});
  });
}

TEST_F(DequantizeRules, Parameters) {
  InputFails(kValue, "scale is missing", [](auto& a) { a.scale = {}; });
  InputFails(kType, "scale is int32, expected float16, bfloat16 or float32",
             [](auto& a) { a.scale = As(a.scale, DType::kInt32, {3}); });
  InputFails(kValue, "scale has shape [3, 1], expected [3]", [](auto& a) {
    a.scale = As(a.scale, DType::kFloat32, {3, 1});
  });
  InputFails(kValue, "scale has shape [3], expected [1]", [](auto& a) { a.quant_mode = QuantMode::kPerTensor; });
  InputFails(kValue, "offset has shape [3], expected []", [](auto& a) {
    a.quant_mode = QuantMode::kPerTensor;
    a.scale = As(a.scale, DType::kFloat32, {});
  });
  InputFails(kValue, "scale has shape [], expected [3]", [](auto& a) { a.scale = As(a.scale, DType::kFloat32, {}); });
  InputFails(kValue, "scale has shape [3], expected [4]", [](auto& a) { a.quant_mode = QuantMode::kPerChannel; });
  InputFails(kValue, "scale has shape [3], expected [3, 2]", [](auto& a) { a.group_size = 2; });
  InputFails(kType, "offset is int32, expected float32", [](auto& a) { a.offset = As(a.offset, DType::kInt32, {3}); });
  InputFails(kValue, "offset has shape [], expected [3]",
             [](auto& a) { a.offset = As(a.offset, DType::kFloat32, {}); });
  Fails(kValue, "offset is on a CUDA device, expected a CPU tensor",
        [](auto& a) { a.offset.set_device(Device::kCuda); });
  InputFails(kValue, "negate_offset was given, but there is no offset", [](auto& a) {
    a.negate_offset = true;
    a.offset = {};
  });
}

TEST_F(DequantizeRules, X) {
  Fails(kValue, "x is missing", [](auto& a) { a.x = {}; });
  Fails(kType, "x is int8, expected float16, bfloat16 or float32", [](auto& a) {
    a.x = As(a.x, DType::kInt8, {3, 4});
  });
  Fails(kValue, "x has shape [12], expected [3, 4]", [](auto& a) { a.x = As(a.x, DType::kFloat16, {12}); });
  Fails(kValue, "elements of x share memory: shape [3, 4], strides [2, 1]", [](auto& a) {
    a.x = TensorView(a.x.data(), DType::kFloat16, {3, 4}, {2, 1});
  });
  char memory[48] = {};
  const TensorView x(memory, DType::kFloat16, {3, 4});
  Fails(kValue, "y and x share memory", [&](auto& a) {
    a.x = x;
    a.y = ConstTensorView(memory + 23, DType::kInt8, {3, 4});
  });
  Fails(kValue, "scale and x share memory", [&](auto& a) {
    a.x = x;
    a.scale = ConstTensorView(memory, DType::kFloat32, {3});
  });
  Fails(kValue, "offset and x share memory", [&](auto& a) {
    a.x = x;
    a.offset = ConstTensorView(memory + 12, DType::kFloat32, {3});
  });
}

TEST_F(DequantizeRules, Shapes) {
  DequantizeArgs args = Args();
  args.x = {};
  TensorSpec spec;
  ASSERT_TRUE(InferDequantize(args, DType::kBFloat16, &spec).ok());
  EXPECT_EQ(spec.dtype, DType::kBFloat16);
  EXPECT_EQ(Shape(spec.dims().begin(), spec.dims().end()), (Shape{3, 4}));
  args.dst_type = Format::kInt4;
  for (const auto& [storage, last] : {std::pair{DType::kUInt8, 8}, {DType::kInt32, 32}}) {
    args.y = As(args.y, storage, {3, 4});
    ASSERT_TRUE(InferDequantize(args, DType::kFloat32, &spec).ok());
    EXPECT_EQ(Shape(spec.dims().begin(), spec.dims().end()), (Shape{3, last}));
  }
  EXPECT_EQ(InferDequantize(args, DType::kInt32, &spec).message(),
            "dequantize: x is int32, expected float16, bfloat16 or float32");
}

}  // namespace
}  // namespace kvant
