// Every check, with its exact text, and that a call that fails has written nothing.
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

#include "kvant/ops/params/params.h"
#include "kvant/testing/status_codes.h"
#include "kvant/testing/tensors.h"

namespace kvant {
namespace {

using testing::Rng;
using testing::Shape;
using testing::TestTensor;

class ParamsRules : public ::testing::Test {
 protected:
  ParamsRules()
      : min_(DType::kFloat32, {2, 3}, rng_),
        max_(DType::kFloat32, {2, 3}, rng_),
        scale_(DType::kFloat32, {2, 3}, rng_),
        offset_(DType::kFloat32, {2, 3}, rng_) {}

  using MinMax = ParamsFromMinMaxArgs;
  using Amax = ParamsFromAmaxArgs;

  Amax AmaxArgs() { return {max_.view(), Format::kInt8, 0, scale_.view()}; }
  MinMax MinMaxArgs() { return {min_.view(), max_.view(), Format::kInt8, 0, scale_.view(), offset_.view()}; }
  void Expect(const Status& status, StatusCode code, const std::string& text) {
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_EQ(status.message(), text);
    EXPECT_TRUE(min_.Untouched() && max_.Untouched() && scale_.Untouched() && offset_.Untouched()) << text;
  }
  void AmaxFails(StatusCode code, const std::string& text, const std::function<void(Amax&)>& change) {
    Amax args = AmaxArgs();
    change(args);
    Expect(ParamsFromAmax(args), code, "params_from_amax: " + text);
  }
  void MinMaxFails(StatusCode code, const std::string& text, const std::function<void(MinMax&)>& change) {
    MinMax args = MinMaxArgs();
    change(args);
    Expect(ParamsFromMinMax(args), code, "params_from_minmax: " + text);
  }
  static TensorView As(const ConstTensorView& t, DType dtype, Shape shape) {
    return {const_cast<void*>(t.data()), dtype, shape};
  }

  Rng rng_{1};
  TestTensor min_, max_, scale_, offset_;
};

TEST_F(ParamsRules, ThePlainCallsAreLegal) {
  EXPECT_TRUE(ParamsFromAmax(AmaxArgs()).ok());
  EXPECT_FALSE(scale_.Untouched());
  EXPECT_TRUE(ParamsFromMinMax(MinMaxArgs()).ok());
  EXPECT_FALSE(offset_.Untouched());
}

TEST_F(ParamsRules, Tensors) {
  AmaxFails(kValue, "amax is missing", [](auto& a) { a.amax = {}; });
  AmaxFails(kValue, "scale is missing", [](auto& a) { a.scale = {}; });
  MinMaxFails(kValue, "min is missing", [](auto& a) { a.min = {}; });
  MinMaxFails(kValue, "max is missing", [](auto& a) { a.max = {}; });
  MinMaxFails(kValue, "scale is missing", [](auto& a) { a.scale = {}; });
  MinMaxFails(kValue, "offset is missing", [](auto& a) { a.offset = {}; });
  AmaxFails(kType, "amax is float16, expected float32", [](auto& a) { a.amax = As(a.amax, DType::kFloat16, {2, 3}); });
  AmaxFails(kType, "scale is int32, expected float32", [](auto& a) { a.scale = As(a.scale, DType::kInt32, {2, 3}); });
  MinMaxFails(kType, "min is bfloat16, expected float32", [](auto& a) { a.min = As(a.min, DType::kBFloat16, {2, 3}); });
  MinMaxFails(kType, "max is int8, expected float32", [](auto& a) { a.max = As(a.max, DType::kInt8, {2, 3}); });
  MinMaxFails(kType, "offset is float16, expected float32", [](auto& a) {
    a.offset = As(a.offset, DType::kFloat16, {2, 3});
  });
  AmaxFails(kValue, "scale has shape [6], expected [2, 3]",
            [](auto& a) { a.scale = As(a.scale, DType::kFloat32, {6}); });
  MinMaxFails(kValue, "max has shape [3, 2], expected [2, 3]", [](auto& a) {
    a.max = As(a.max, DType::kFloat32, {3, 2});
  });
  MinMaxFails(kValue, "offset has shape [], expected [2, 3]",
              [](auto& a) { a.offset = As(a.offset, DType::kFloat32, {}); });
  MinMaxFails(kValue, "min has 33 dimensions, at most 32 are supported",
              [](auto& a) { a.min = As(a.min, DType::kFloat32, Shape(33, 1)); });
  AmaxFails(kValue, "amax.shape[0] is -2, a size cannot be negative", [](auto& a) {
    a.amax = As(a.amax, DType::kFloat32, {-2, 3});
  });
  AmaxFails(kValue, "amax has shape [2, 3] but no memory", [](auto& a) {
    a.amax = ConstTensorView(nullptr, DType::kFloat32, {2, 3});
  });
  AmaxFails(kValue, "amax is on a CUDA device, expected a CPU tensor",
            [](auto& a) { a.amax.set_device(Device::kCuda); });
  MinMaxFails(kValue, "scale is on a CUDA device, expected a CPU tensor",
              [](auto& a) { a.scale.set_device(Device::kCuda); });
}

TEST_F(ParamsRules, DstTypeMax) {
  AmaxFails(kValue, "dst_type_max is 15, but dst_type is int8: it is for hifloat8",
            [](auto& a) { a.dst_type_max = 15; });
  MinMaxFails(kValue, "dst_type_max is 40000, expected 0 to 32768", [](auto& a) {
    a.dst_type = Format::kHiFloat8;
    a.dst_type_max = 40000;
  });
  AmaxFails(kValue, "dst_type_max is -inf, expected 0 to 32768", [](auto& a) {
    a.dst_type = Format::kHiFloat8;
    a.dst_type_max = -std::numeric_limits<double>::infinity();
  });
}

// Results may be statistics as they are, but not half of one.
TEST_F(ParamsRules, Overlap) {
  MinMaxFails(kValue, "scale and offset share memory", [](auto& a) { a.offset = a.scale; });
  MinMaxFails(kValue, "elements of offset share memory: shape [2, 3], strides [0, 1]", [](auto& a) {
    a.offset = TensorView(a.offset.data(), DType::kFloat32, {2, 3}, {0, 1});
  });
  float buffer[16] = {};
  MinMaxFails(kValue, "min and scale share memory", [&](auto& a) {
    a.min = ConstTensorView(buffer, DType::kFloat32, {2, 3});
    a.scale = TensorView(buffer + 1, DType::kFloat32, {2, 3});
  });
  MinMaxFails(kValue, "max and offset share memory", [&](auto& a) {  // the same elements in another order
    a.max = ConstTensorView(buffer, DType::kFloat32, {2, 3}, {3, 1});
    a.offset = TensorView(buffer, DType::kFloat32, {2, 3}, {1, 2});
  });
  AmaxFails(kValue, "amax and scale share memory", [&](auto& a) {
    a.amax = ConstTensorView(buffer + 5, DType::kFloat32, {2, 3});
    a.scale = TensorView(buffer, DType::kFloat32, {2, 3});
  });
}

}  // namespace
}  // namespace kvant
