// Every check of its own, with its exact text, and that a call that fails has written nothing.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "kvant/ops/dequantize_gather/dequantize_gather.h"
#include "kvant/testing/status_codes.h"
#include "kvant/testing/tensors.h"

namespace kvant {
namespace {

using testing::Rng;
using testing::TestTensor;

// Two positions from 1 and 2 on of var [3, 4, 2, 8].
class GatherRules : public ::testing::Test {
 protected:
  using Args = DequantizeGatherArgs;

  GatherRules()
      : var_(DType::kInt8, {3, 4, 2, 8}, rng_),
        scale_(DType::kFloat32, {3, 4, 2}, rng_),
        offset_(DType::kFloat32, {3, 4, 2}, rng_),
        indices_(DType::kInt64, {2}, rng_),
        x_(DType::kFloat16, {2, 2, 2, 8}, rng_) {
    indices_.Set(0, int64_t{1});
    indices_.Set(1, int64_t{2});
  }

  Args Legal() {
    Args a;
    a.var = var_.view();
    a.var_scale = scale_.view();
    a.var_offset = offset_.view();
    a.indices = indices_.view();
    a.length = 2;
    a.axis = 1;
    a.index_mode = IndexMode::kBatch;
    a.x = x_.view();
    return a;
  }
  void Fails(StatusCode code, const std::string& text, const std::function<void(Args&)>& change) {
    Args args = Legal();
    change(args);
    const Status status = DequantizeGather(args);
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(status.message(), "dequantize_gather: " + text);
    EXPECT_TRUE(x_.Untouched()) << text;
  }

  Rng rng_{1};
  TestTensor var_, scale_, offset_, indices_, x_;
};

TEST_F(GatherRules, TheLegalCallAndItsShape) {
  const Status status = DequantizeGather(Legal());
  EXPECT_TRUE(status.ok()) << status.message();
  TensorSpec spec;
  ASSERT_TRUE(InferDequantizeGather(Legal(), DType::kBFloat16, &spec).ok());
  EXPECT_EQ(spec.dtype, DType::kBFloat16);
  const auto dims = spec.dims();
  EXPECT_EQ(std::vector<int64_t>(dims.begin(), dims.end()), (std::vector<int64_t>{2, 2, 2, 8}));
}

TEST_F(GatherRules, Cache) {
  Fails(kValue, "var is missing", [](Args& a) { a.var = {}; });
  Fails(kType, "var is int8, but codes of int4 are stored as uint8 or int32",
        [](Args& a) { a.dst_type = Format::kInt4; });
  Fails(kValue, "var_scale has shape [3, 4, 2], expected [3, 4, 2, 4]", [](Args& a) { a.group_size = 2; });
  Fails(kType, "var_offset is float16, expected float32", [](Args& a) {
    a.var_offset = ConstTensorView(a.var_offset.data(), DType::kFloat16, {3, 4, 2});
  });
  Fails(kValue, "negate_offset was given, but there is no var_offset", [](Args& a) {
    a.var_offset = {};
    a.negate_offset = true;
  });
}

TEST_F(GatherRules, Addressing) {
  Fails(kValue, "index_mode is missing, expected batch, pair or slot", [](Args& a) { a.index_mode.reset(); });
  Fails(kValue, "length is 0, expected at least 1", [](Args& a) { a.length = 0; });
  Fails(kValue, "length is 2, expected 1 for index_mode slot", [](Args& a) { a.index_mode = IndexMode::kSlot; });
  Fails(kValue, "length is 5, more than var.shape[1] = 4", [](Args& a) { a.length = 5; });
  Fails(kValue, "length is 4611686018427387904, more than var.shape[1] = 4",
        [](Args& a) { a.length = int64_t{1} << 62; });
  Fails(kValue, "axis is 3, expected 1 to 2 or -3 to -2", [](Args& a) { a.axis = 3; });
  Fails(kRange, "indices[1] is 3, expected 0 to 2", [this](Args&) { indices_.Set(1, int64_t{3}); });
}

TEST_F(GatherRules, Result) {
  Fails(kValue, "x is missing", [](Args& a) { a.x = {}; });
  Fails(kType, "x is int8, expected float16, bfloat16 or float32", [](Args& a) {
    a.x = TensorView(a.x.data(), DType::kInt8, {2, 2, 2, 8});
  });
  Fails(kValue, "x has shape [2, 2, 2, 8], expected [2, 1, 2, 8]", [](Args& a) { a.length = 1; });
}

}  // namespace
}  // namespace kvant
