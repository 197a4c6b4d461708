// Every check, with its exact text, and that a call that fails has written nothing. What it shares with scatter_update
// is tested there.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "kvant/ops/dynamic_quant_update_scatter/dynamic_quant_update_scatter.h"
#include "kvant/testing/status_codes.h"
#include "kvant/testing/tensors.h"

namespace kvant {
namespace {

using testing::Rng;
using testing::Shape;
using testing::TestTensor;

// INT4: var [2, 4, 3, 4] of rows of 8, updates [5, 3, 8] in slots.
class UpdateScatterRules : public ::testing::Test {
 protected:
  using Args = DynamicQuantUpdateScatterArgs;

  UpdateScatterRules()
      : var_(DType::kUInt8, {2, 4, 3, 4}, rng_),
        scale_(DType::kFloat32, {2, 4, 3}, rng_),
        offset_(DType::kFloat32, {2, 4, 3}, rng_),
        indices_(DType::kInt32, {5}, rng_),
        updates_(DType::kFloat16, {5, 3, 8}, rng_),
        smooth_(DType::kFloat32, {8}, rng_) {
    for (int32_t i = 0; i < 5; ++i) indices_.Set(i, i);
  }

  Args Legal() {
    Args a;
    a.var = var_.view();
    a.var_scale = scale_.view();
    a.var_offset = offset_.view();
    a.indices = indices_.view();
    a.updates = updates_.view();
    a.dst_type = Format::kInt4;
    a.axis = 1;
    a.index_mode = IndexMode::kSlot;
    return a;
  }
  void Fails(StatusCode code, const std::string& text, const std::function<void(Args&)>& change) {
    Args args = Legal();
    change(args);
    const Status status = DynamicQuantUpdateScatter(args);
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(status.message(), "dynamic_quant_update_scatter_: " + text);
    EXPECT_TRUE(var_.Untouched() && scale_.Untouched() && offset_.Untouched()) << text;
  }
  static TensorView As(const TensorView& t, DType dtype, std::initializer_list<int64_t> shape) {
    return {t.data(), dtype, shape};
  }

  Rng rng_{1};
  TestTensor var_, scale_, offset_, indices_, updates_, smooth_;
};

TEST_F(UpdateScatterRules, TheLegalCall) {
  const Status status = DynamicQuantUpdateScatter(Legal());
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST_F(UpdateScatterRules, Codes) {
  Fails(kType, "dst_type is float8_e4m3fn, expected int8 or int4", [](Args& a) { a.dst_type = Format::kFloat8E4M3FN; });
  Fails(kValue, "var is missing", [](Args& a) { a.var = {}; });
  Fails(kType, "var is uint8, but codes of int8 are stored as int8", [](Args& a) { a.dst_type = Format::kInt8; });
  Fails(kType, "var is float32, but codes of int4 are stored as uint8 or int32", [](Args& a) {
    a.var = As(a.var, DType::kFloat32, {2, 4, 3, 4});
  });
  Fails(kValue, "var.stride(-1) is 2, expected 1: int4 is packed along it", [](Args& a) {
    constexpr int64_t kShape[] = {1, 4, 3, 4}, kStrides[] = {96, 24, 8, 2};
    a.var = TensorView(a.var.data(), DType::kUInt8, kShape, kStrides);
  });
}

TEST_F(UpdateScatterRules, Addressing) {
  Fails(kValue, "index_mode is missing, expected batch, pair or slot", [](Args& a) { a.index_mode.reset(); });
  Fails(kValue, "axis is 3, expected 1 to 2 or -3 to -2", [](Args& a) { a.axis = 3; });
  Fails(kValue,
        "updates has shape [5, 3, 6], expected [5, 3, 8] to match indices of shape [5] and var of shape [2, 4, 3, 4]",
        [](Args& a) {
          a.updates = ConstTensorView(a.updates.data(), DType::kFloat16, {5, 3, 6});
        });
  Fails(kType, "updates is int32, expected float16, bfloat16 or float32", [](Args& a) {
    a.updates = ConstTensorView(a.updates.data(), DType::kInt32, {5, 3, 8});
  });
  Fails(kRange, "indices[3] is 8, expected 0 to 7, or -1 for padding", [this](Args&) { indices_.Set(3, int32_t{8}); });
}

TEST_F(UpdateScatterRules, Tables) {
  Fails(kValue, "var_scale is missing", [](Args& a) { a.var_scale = {}; });
  Fails(kType, "var_scale is int32, expected float16, bfloat16 or float32", [](Args& a) {
    a.var_scale = As(a.var_scale, DType::kInt32, {2, 4, 3});
  });
  Fails(kValue, "var_scale has shape [2, 4], expected [2, 4, 3]", [](Args& a) {
    a.var_scale = As(a.var_scale, DType::kFloat32, {2, 4});
  });
  Fails(kValue, "var_scale has shape [2, 4, 3], expected [2, 4, 3, 2]", [](Args& a) { a.group_size = 4; });
  Fails(kValue, "var_offset is missing", [](Args& a) { a.var_offset = {}; });
  Fails(kType, "var_offset is float16, expected float32", [](Args& a) {
    a.var_offset = As(a.var_offset, DType::kFloat16, {2, 4, 3});
  });
  Fails(kValue, "var_offset was given, but symmetric quantization has none", [](Args& a) { a.symmetric = true; });
  Fails(kType, "var_offset is bfloat16, whose 8 bits are too few for offsets of int8; expected float32 or float16",
        [](Args& a) {
          a.dst_type = Format::kInt8;
          a.var = As(a.var, DType::kInt8, {1, 4, 3, 8});
          a.var_scale = As(a.var_scale, DType::kBFloat16, {1, 4, 3});
          a.var_offset = As(a.var_offset, DType::kBFloat16, {1, 4, 3});
        });
}

TEST_F(UpdateScatterRules, OptionalInputs) {
  Fails(kValue, "smooth_scales has shape [1, 8], expected [8] to match updates.shape[-1]", [this](Args& a) {
    a.smooth_scales = ConstTensorView(smooth_.view().data(), DType::kFloat32, {1, 8});
  });
  Fails(kValue, "smooth_scales has shape [4], expected [8] to match updates.shape[-1]",
        [this](Args& a) { a.smooth_scales = ConstTensorView(smooth_.view().data(), DType::kFloat32, {4}); });
  Fails(kValue, "group_size is 3, which does not divide updates.shape[-1] = 8", [](Args& a) { a.group_size = 3; });
  Fails(kValue, "second.updates is missing", [this](Args& a) {
    a.second.var = As(var_.view(), DType::kUInt8, {2, 4, 3, 4});
  });
  Fails(kValue, "second.var is missing", [this](Args& a) { a.second.var_scale = scale_.view(); });
  Fails(kValue, "negate_offset was given, but symmetric codes have no offset", [](Args& a) {
    a.symmetric = a.negate_offset = true;
    a.var_offset = {};
  });
  Fails(kValue, "var and var_scale share memory", [](Args& a) { a.var_scale = As(a.var, DType::kFloat32, {2, 4, 3}); });
}

}  // namespace
}  // namespace kvant
