// Every check, with its exact text, and that a call that fails has written nothing.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "kvant/ops/pack_int4/pack_int4.h"
#include "kvant/testing/status_codes.h"
#include "kvant/testing/tensors.h"

namespace kvant {
namespace {

using testing::Rng;
using testing::Shape;
using testing::TestTensor;

class PackInt4Rules : public ::testing::Test {
 protected:
  PackInt4Rules() : codes_(DType::kInt8, {2, 16}, rng_), packed_(DType::kUInt8, {2, 8}, rng_) {}

  void PackFails(StatusCode code, const std::string& text, const std::function<void(PackInt4Args&)>& change) {
    PackInt4Args args{codes_.view(), packed_.view()};
    change(args);
    Expect(PackInt4(args), code, "pack_int4: " + text);
  }
  void UnpackFails(StatusCode code, const std::string& text, const std::function<void(UnpackInt4Args&)>& change) {
    UnpackInt4Args args{packed_.view(), codes_.view()};
    change(args);
    Expect(UnpackInt4(args), code, "unpack_int4: " + text);
  }
  void Expect(const Status& status, StatusCode code, const std::string& text) {
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_EQ(status.message(), text);
    EXPECT_TRUE(codes_.Untouched() && packed_.Untouched()) << text;
  }
  static TensorView As(const ConstTensorView& t, DType dtype, Shape shape) {
    return {const_cast<void*>(t.data()), dtype, shape};
  }

  Rng rng_{1};
  TestTensor codes_, packed_;
};

TEST_F(PackInt4Rules, ThePlainCallsAreLegal) {
  EXPECT_TRUE(PackInt4({codes_.view(), packed_.view()}).ok());
  EXPECT_FALSE(packed_.Untouched());
  EXPECT_TRUE(UnpackInt4({packed_.view(), codes_.view()}).ok());
  EXPECT_FALSE(codes_.Untouched());
}

TEST_F(PackInt4Rules, Pack) {
  PackFails(kValue, "codes is missing", [](auto& a) { a.codes = {}; });
  PackFails(kValue, "packed is missing", [](auto& a) { a.packed = {}; });
  PackFails(kValue, "codes has no dimensions, expected at least 1",
            [](auto& a) { a.codes = As(a.codes, DType::kInt8, {}); });
  PackFails(kType, "codes is uint8, expected int8", [](auto& a) { a.codes = As(a.codes, DType::kUInt8, {2, 16}); });
  PackFails(kType, "packed is int8, expected uint8 or int32", [](auto& a) {
    a.packed = As(a.packed, DType::kInt8, {2, 8});
  });
  PackFails(kValue, "codes.shape[-1] is 15, but an element of uint8 holds 2 codes", [](auto& a) {
    a.codes = As(a.codes, DType::kInt8, {2, 15});
  });
  PackFails(kValue, "codes.shape[-1] is 12, but an element of int32 holds 8 codes", [](auto& a) {
    a.codes = As(a.codes, DType::kInt8, {2, 12});
    a.packed = As(a.packed, DType::kInt32, {2, 1});
  });
  PackFails(kValue, "packed has shape [2, 7], expected [2, 8]", [](auto& a) {
    a.packed = As(a.packed, DType::kUInt8, {2, 7});
  });
  PackFails(kValue, "packed has shape [2, 8], expected [2, 2]", [](auto& a) {
    a.packed = As(a.packed, DType::kInt32, {2, 8});
  });
  PackFails(kValue, "packed has stride 2 in its packed last dimension, expected 1", [](auto& a) {
    a.packed = TensorView(a.packed.data(), DType::kUInt8, {2, 8}, {16, 2});
  });
  PackFails(kValue, "elements of packed share memory: shape [2, 8], strides [4, 1]", [](auto& a) {
    a.packed = TensorView(a.packed.data(), DType::kUInt8, {2, 8}, {4, 1});
  });
  PackFails(kValue, "codes and packed share memory", [](auto& a) { a.packed = As(a.codes, DType::kUInt8, {2, 8}); });
  PackFails(kValue, "packed is on a CUDA device, expected a CPU tensor",
            [](auto& a) { a.packed.set_device(Device::kCuda); });
  PackFails(kValue, "codes has shape [2, 16] but no memory", [](auto& a) {
    a.codes = ConstTensorView(nullptr, DType::kInt8, {2, 16});
  });
}

TEST_F(PackInt4Rules, Unpack) {
  UnpackFails(kValue, "packed is missing", [](auto& a) { a.packed = {}; });
  UnpackFails(kValue, "codes is missing", [](auto& a) { a.codes = {}; });
  UnpackFails(kValue, "packed has no dimensions, expected at least 1",
              [](auto& a) { a.packed = As(a.packed, DType::kUInt8, {}); });
  UnpackFails(kType, "packed is float16, expected uint8 or int32", [](auto& a) {
    a.packed = As(a.packed, DType::kFloat16, {2, 8});
  });
  UnpackFails(kType, "codes is uint8, expected int8", [](auto& a) { a.codes = As(a.codes, DType::kUInt8, {2, 16}); });
  UnpackFails(kValue, "codes has shape [16, 2], expected [2, 16]", [](auto& a) {
    a.codes = As(a.codes, DType::kInt8, {16, 2});
  });
  UnpackFails(kValue, "packed has stride 0 in its packed last dimension, expected 1", [](auto& a) {
    a.packed = ConstTensorView(a.packed.data(), DType::kUInt8, {2, 8}, {1, 0});
  });
  UnpackFails(kValue, "packed and codes share memory", [](auto& a) { a.packed = As(a.codes, DType::kUInt8, {2, 8}); });
  UnpackFails(kValue, "elements of codes share memory: shape [2, 16], strides [0, 1]", [](auto& a) {
    a.codes = TensorView(a.codes.data(), DType::kInt8, {2, 16}, {0, 1});
  });
}

TEST_F(PackInt4Rules, Shapes) {
  TensorSpec spec;
  ASSERT_TRUE(InferPackInt4({codes_.view(), {}}, DType::kUInt8, &spec).ok());
  EXPECT_EQ(spec.dtype, DType::kUInt8);
  EXPECT_EQ(Shape(spec.dims().begin(), spec.dims().end()), (Shape{2, 8}));
  ASSERT_TRUE(InferPackInt4({codes_.view(), {}}, DType::kInt32, &spec).ok());
  EXPECT_EQ(Shape(spec.dims().begin(), spec.dims().end()), (Shape{2, 2}));
  ASSERT_TRUE(InferUnpackInt4({packed_.view(), {}}, &spec).ok());
  EXPECT_EQ(spec.dtype, DType::kInt8);
  EXPECT_EQ(Shape(spec.dims().begin(), spec.dims().end()), (Shape{2, 16}));
  EXPECT_EQ(InferPackInt4({codes_.view(), {}}, DType::kInt64, &spec).message(),
            "pack_int4: packed is int64, expected uint8 or int32");
  EXPECT_EQ(InferUnpackInt4({}, &spec).message(), "unpack_int4: packed is missing");
}

}  // namespace
}  // namespace kvant
