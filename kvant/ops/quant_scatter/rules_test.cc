// Every check of its own, with its exact text, and that a call that fails has written nothing. What it shares with
// scatter_update is tested there.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "kvant/ops/quant_scatter/quant_scatter.h"
#include "kvant/testing/status_codes.h"
#include "kvant/testing/tensors.h"

namespace kvant {
namespace {

using testing::Rng;
using testing::Shape;
using testing::TestTensor;

// self [4, 6, 8], updates [2, 2, 8] at 1 and 4 of axis 1.
class QuantScatterRules : public ::testing::Test {
 protected:
  QuantScatterRules()
      : self_(DType::kInt8, {4, 6, 8}, rng_),
        indices_(DType::kInt32, {2}, rng_),
        updates_(DType::kFloat16, {2, 2, 8}, rng_),
        scales_(DType::kFloat32, {8}, rng_),
        zero_points_(DType::kInt32, {8}, rng_),
        out_(DType::kInt8, {4, 6, 8}, rng_) {
    indices_.Set(0, int32_t{1});
    indices_.Set(1, int32_t{4});
    indices_.Keep();
  }

  QuantScatterArgs Args() {
    QuantScatterArgs args;
    args.self = self_.view();
    args.indices = indices_.view();
    args.updates = updates_.view();
    args.quant_scales = scales_.view();
    args.quant_zero_points = zero_points_.view();
    args.index_mode = IndexMode::kBatch;
    args.out = out_.view();
    return args;
  }
  QuantScatterInPlaceArgs InPlace(const QuantScatterArgs& a) {
    QuantScatterInPlaceArgs args;
    args.self = {const_cast<void*>(a.self.data()), a.self.dtype(), a.self.shape(), a.self.strides()};
    args.indices = a.indices;
    args.updates = a.updates;
    args.quant_scales = a.quant_scales;
    args.quant_zero_points = a.quant_zero_points;
    args.dst_type = a.dst_type;
    args.axis = a.axis;
    args.quant_axis = a.quant_axis;
    args.reciprocal_scale = a.reciprocal_scale;
    args.round_mode = a.round_mode;
    args.index_mode = a.index_mode;
    args.index_policy = a.index_policy;
    return args;
  }
  // Whatever `change` breaks, both forms say, and InferQuantScatter too where it is known before any index is read.
  void Fails(StatusCode code, const std::string& text, const std::function<void(QuantScatterArgs&)>& change) {
    QuantScatterArgs args = Args();
    change(args);
    Expect(QuantScatter(args), code, "quant_scatter: " + text);
    Expect(QuantScatterInPlace(InPlace(args)), code, "quant_scatter_: " + text);
    TensorSpec spec;
    const Status inferred = InferQuantScatter(args, &spec);
    if (code != kRange) Expect(inferred, code, "quant_scatter: " + text);
  }
  void OutFails(StatusCode code, const std::string& text, const std::function<void(QuantScatterArgs&)>& change) {
    QuantScatterArgs args = Args();
    change(args);
    Expect(QuantScatter(args), code, "quant_scatter: " + text);
  }
  void InPlaceFails(StatusCode code, const std::string& text,
                    const std::function<void(QuantScatterInPlaceArgs&)>& change) {
    QuantScatterInPlaceArgs args = InPlace(Args());
    change(args);
    Expect(QuantScatterInPlace(args), code, "quant_scatter_: " + text);
  }
  void Expect(const Status& status, StatusCode code, const std::string& text) {
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(status.message(), text);
    EXPECT_TRUE(self_.Untouched() && indices_.Untouched() && updates_.Untouched() && scales_.Untouched() &&
                zero_points_.Untouched() && out_.Untouched())
        << text;
  }
  static TensorView As(const ConstTensorView& t, DType dtype, Shape shape) {
    return {const_cast<void*>(t.data()), dtype, shape};
  }

  Rng rng_{1};
  TestTensor self_, indices_, updates_, scales_, zero_points_, out_;
};

TEST_F(QuantScatterRules, ThePlainCallsAreLegal) {
  EXPECT_TRUE(QuantScatter(Args()).ok());
  EXPECT_FALSE(out_.Untouched());
  EXPECT_TRUE(self_.Untouched());
  TensorSpec spec;
  ASSERT_TRUE(InferQuantScatter(Args(), &spec).ok());
  EXPECT_EQ(spec.dtype, DType::kInt8);
  EXPECT_EQ(Shape(spec.dims().begin(), spec.dims().end()), (Shape{4, 6, 8}));
  QuantScatterInPlaceArgs args = InPlace(Args());
  args.quant_axis = 2;
  args.axis = 1;
  args.quant_scales = As(scales_.view(), DType::kFloat16, {2, 1, 4});
  args.quant_zero_points = As(zero_points_.view(), DType::kBFloat16, {});
  EXPECT_TRUE(QuantScatterInPlace(args).ok());
  EXPECT_FALSE(self_.Untouched());
}

TEST_F(QuantScatterRules, Scatter) {
  Fails(kValue, "index_mode is missing, expected batch, pair or slot", [](auto& a) { a.index_mode.reset(); });
  Fails(kValue, "self has shape [4, 8], expected at least 3 dimensions", [](auto& a) {
    a.self = As(a.self, DType::kInt8, {4, 8});
  });
  for (const int axis : {0, 2, -1, -3}) {
    Fails(kValue, "axis is " + std::to_string(axis) + ", expected 1 or -2", [axis](auto& a) { a.axis = axis; });
  }
  Fails(kValue, "updates.shape[1] is 2, more than self.shape[1] = 1", [](auto& a) {
    a.self = As(a.self, DType::kInt8, {4, 1, 8});
  });
  indices_.Set(1, int32_t{5});
  indices_.Keep();
  Fails(kRange, "indices[1] is 5, expected 0 to 4", [](auto&) {});
}

TEST_F(QuantScatterRules, Types) {
  Fails(kType, "updates is int8, expected float16, bfloat16 or float32", [](auto& a) {
    a.updates = As(a.updates, DType::kInt8, {2, 2, 8});
  });
  Fails(kValue, "dst_type is int4, expected int8, float8_e4m3fn, float8_e5m2 or hifloat8",
        [](auto& a) { a.dst_type = Format::kInt4; });
  Fails(kType, "self is int8, but codes of float8_e5m2 are stored as float8_e5m2 or uint8",
        [](auto& a) { a.dst_type = Format::kFloat8E5M2; });
  Fails(kType, "self is uint8, but codes of int8 are stored as int8", [](auto& a) {
    a.self = As(a.self, DType::kUInt8, {4, 6, 8});
  });
}

TEST_F(QuantScatterRules, QuantAxis) {
  Fails(kValue, "quant_axis is 1, expected -1 or 2, the last dimension of updates", [](auto& a) { a.quant_axis = 1; });
  Fails(kValue, "quant_axis is 2, expected -1 or 1, the last dimension of updates", [](auto& a) {
    a.quant_axis = 2;
    a.index_mode = IndexMode::kSlot;
    a.updates = As(a.updates, DType::kFloat16, {2, 8});
  });
}

TEST_F(QuantScatterRules, Parameters) {
  Fails(kValue, "quant_scales is missing", [](auto& a) { a.quant_scales = {}; });
  Fails(kType, "quant_scales is int32, expected float16, bfloat16 or float32",
        [](auto& a) { a.quant_scales = As(a.quant_scales, DType::kInt32, {8}); });
  Fails(kValue, "quant_scales has 4 elements, expected 1 or updates.shape[-1] = 8",
        [](auto& a) { a.quant_scales = As(a.quant_scales, DType::kFloat32, {4}); });
  Fails(kType, "quant_zero_points is int64, expected int32, float16, bfloat16 or float32",
        [](auto& a) { a.quant_zero_points = As(a.quant_zero_points, DType::kInt64, {8}); });
  Fails(kValue, "quant_zero_points has 2 elements, expected 1 or updates.shape[-1] = 8",
        [](auto& a) { a.quant_zero_points = As(a.quant_zero_points, DType::kInt32, {2}); });
  Fails(kValue, "round_mode is hybrid, but dst_type is int8: it is for hifloat8",
        [](auto& a) { a.round_mode = RoundMode::kHybrid; });
}

TEST_F(QuantScatterRules, Overlap) {
  OutFails(kValue, "out is missing", [](auto& a) { a.out = {}; });
  OutFails(kType, "out is uint8, expected int8", [](auto& a) { a.out = As(a.out, DType::kUInt8, {4, 6, 8}); });
  OutFails(kValue, "self and out share memory", [](auto& a) { a.out = As(a.self, DType::kInt8, {4, 6, 8}); });
  OutFails(kValue, "indices and out share memory", [](auto& a) { a.out = As(a.indices, DType::kInt8, {4, 6, 8}); });
  OutFails(kValue, "quant_zero_points and out share memory", [](auto& a) {
    a.out = As(a.quant_zero_points, DType::kInt8, {4, 6, 8});
  });
  InPlaceFails(kValue, "elements of self share memory: shape [4, 6, 8], strides [48, 0, 1]", [](auto& a) {
    a.self = TensorView(a.self.data(), DType::kInt8, {4, 6, 8}, {48, 0, 1});
  });
  InPlaceFails(kValue, "updates and self share memory", [](auto& a) {
    a.updates = As(a.self, DType::kFloat16, {2, 2, 8});
  });
  InPlaceFails(kValue, "quant_scales and self share memory",
               [](auto& a) { a.quant_scales = As(a.self, DType::kFloat32, {8}); });
  InPlaceFails(kValue, "quant_zero_points and self share memory",
               [](auto& a) { a.quant_zero_points = As(a.self, DType::kInt32, {8}); });
}

}  // namespace
}  // namespace kvant
