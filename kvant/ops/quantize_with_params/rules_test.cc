// Every check, with its exact text, and that a call that fails has written nothing.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "kvant/testing/rowwise_problem.h"
#include "kvant/testing/status_codes.h"

namespace kvant {
namespace {

using testing::Rng;
using testing::RowwiseProblem;
using testing::Shape;
using testing::TestTensor;

class QuantizeWithParamsRules : public ::testing::Test {
 protected:
  QuantizeWithParamsRules() {
    p_.x = TestTensor(DType::kFloat16, {2, 3, 8}, rng_);
    p_.MakeOutputs(rng_);
  }

  using Change = std::function<void(QuantizeWithParamsArgs&)>;
  void Fails(StatusCode code, const std::string& text, const Change& change) {
    QuantizeWithParamsArgs args = p_.QuantizeArgs();
    change(args);
    Expect(QuantizeWithParams(args), code, text);
  }
  void FailsEarly(StatusCode code, const std::string& text, const Change& change) {
    Fails(code, text, change);
    QuantizeWithParamsArgs args = p_.QuantizeArgs();
    change(args);
    args.y = {};
    TensorSpec spec;
    Expect(InferQuantizeWithParams(args, &spec), code, text);
  }
  void Expect(const Status& status, StatusCode code, const std::string& text) {
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_EQ(status.message(), "quantize_with_params: " + text);
    EXPECT_TRUE(p_.NothingWritten()) << text;
  }

  Rng rng_{1};
  RowwiseProblem p_;
  uint64_t memory_[64] = {};
};

TEST_F(QuantizeWithParamsRules, ThePlainCallsAreLegal) {
  QuantizeWithParamsArgs args = p_.QuantizeArgs();
  EXPECT_TRUE(QuantizeWithParams(args).ok());
  EXPECT_FALSE(p_.y.Untouched());
  p_.y.Reset();
  args.offset = {};
  EXPECT_TRUE(QuantizeWithParams(args).ok());
  EXPECT_FALSE(p_.y.Untouched());
  EXPECT_TRUE(p_.scale.Untouched() && p_.offset->Untouched());
}

TEST_F(QuantizeWithParamsRules, Inputs) {
  FailsEarly(kValue, "x is missing", [](auto& a) { a.x = {}; });
  FailsEarly(kType, "x is int32, expected float16, bfloat16 or float32", [&](auto& a) {
    a.x = ConstTensorView(memory_, DType::kInt32, {2, 3, 8});
  });
  FailsEarly(kValue, "group_size is 5, which does not divide x.shape[-1] = 8", [](auto& a) { a.group_size = 5; });
  FailsEarly(kValue, "group_size is 2, but dst_type is float8_e5m2: groups are for int8 and int4", [](auto& a) {
    a.group_size = 2;
    a.dst_type = Format::kFloat8E5M2;
  });
  FailsEarly(kValue, "x.shape[-1] is 7, int4 packs pairs and needs an even one", [&](auto& a) {
    a.x = ConstTensorView(memory_, DType::kFloat16, {2, 3, 7});
    a.dst_type = Format::kInt4;
  });
  FailsEarly(kValue, "smooth_scales has shape [2], expected [3] to match x.shape[-2]", [&](auto& a) {
    a.smooth_scales = ConstTensorView(memory_, DType::kFloat16, {2});
    a.quant_mode = QuantMode::kPerChannel;
  });
  FailsEarly(kValue, "group_index cannot be used with quant_mode perchannel", [&](auto& a) {
    a.group_index = ConstTensorView(memory_, DType::kInt64, {2});
    a.smooth_scales = ConstTensorView(memory_, DType::kFloat16, {2, 8});
    a.quant_mode = QuantMode::kPerChannel;
  });
}

TEST_F(QuantizeWithParamsRules, GroupIndexValues) {
  const int32_t ends[] = {2, 5};
  Fails(StatusCode::kOutOfRange, "group_index[1] is 5, the last end, but x has 6 rows", [&](auto& a) {
    a.group_index = ConstTensorView(ends, DType::kInt32, {2});
    a.smooth_scales = ConstTensorView(memory_, DType::kFloat16, {2, 8});
  });
}

TEST_F(QuantizeWithParamsRules, Parameters) {
  FailsEarly(kValue, "scale is missing", [](auto& a) { a.scale = {}; });
  FailsEarly(kType, "scale is float16, expected float32", [](auto& a) {
    a.scale = ConstTensorView(a.scale.data(), DType::kFloat16, {2, 3});
  });
  FailsEarly(kValue, "scale has shape [6], expected [2, 3]",
             [](auto& a) { a.scale = ConstTensorView(a.scale.data(), DType::kFloat32, {6}); });
  FailsEarly(kValue, "offset has shape [1], expected [2, 3]",
             [](auto& a) { a.offset = ConstTensorView(a.offset.data(), DType::kFloat32, {1}); });
  FailsEarly(kType, "offset is int32, expected float32", [](auto& a) {
    a.offset = ConstTensorView(a.offset.data(), DType::kInt32, {2, 3});
  });
  FailsEarly(kValue, "scale has shape [2, 3], expected [1]", [](auto& a) { a.quant_mode = QuantMode::kPerTensor; });
  FailsEarly(kValue, "scale has shape [2, 3], expected [2, 8]", [](auto& a) { a.quant_mode = QuantMode::kPerChannel; });
  FailsEarly(kValue, "scale has shape [2, 3], expected [2, 3, 4]", [](auto& a) { a.group_size = 2; });
  Fails(kValue, "scale is on a CUDA device, expected a CPU tensor", [](auto& a) { a.scale.set_device(Device::kCuda); });
}

TEST_F(QuantizeWithParamsRules, Codes) {
  Fails(kValue, "y is missing", [](auto& a) { a.y = {}; });
  Fails(kType, "y is uint8, but codes of int8 are stored as int8", [](auto& a) {
    a.y = TensorView(a.y.data(), DType::kUInt8, {2, 3, 8});
  });
  Fails(kValue, "y has shape [2, 3, 7], expected [2, 3, 8]", [](auto& a) {
    a.y = TensorView(a.y.data(), DType::kInt8, {2, 3, 7});
  });
  Fails(kValue, "y has stride 2 in its packed last dimension, expected 1", [](auto& a) {
    a.dst_type = Format::kInt4;
    a.y = TensorView(a.y.data(), DType::kUInt8, {2, 3, 4}, {24, 8, 2});
  });
}

TEST_F(QuantizeWithParamsRules, Overlap) {
  Fails(kValue, "elements of y share memory: shape [2, 3, 8], strides [24, 4, 1]", [](auto& a) {
    a.y = TensorView(a.y.data(), DType::kInt8, {2, 3, 8}, {24, 4, 1});
  });
  Fails(kValue, "x and y share memory", [](auto& a) {
    a.y = TensorView(const_cast<void*>(a.x.data()), DType::kInt8, {2, 3, 8});
  });
  Fails(kValue, "scale and y share memory", [](auto& a) {
    a.scale = ConstTensorView(a.y.data(), DType::kFloat32, {2, 3});
  });
  Fails(kValue, "offset and y share memory", [](auto& a) {
    a.offset = ConstTensorView(a.y.data(), DType::kFloat32, {2, 3});
  });
  Fails(kValue, "smooth_scales and y share memory",
        [](auto& a) { a.smooth_scales = ConstTensorView(a.y.data(), DType::kFloat16, {8}); });
}

// Inputs may share memory with one another.
TEST_F(QuantizeWithParamsRules, ScaleMayBeOffset) {
  QuantizeWithParamsArgs args = p_.QuantizeArgs();
  args.offset = args.scale;
  EXPECT_TRUE(QuantizeWithParams(args).ok());
}

}  // namespace
}  // namespace kvant
