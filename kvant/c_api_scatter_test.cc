// Each function of c_api_scatter.h against its C++ counterpart, and the errors of the C API itself.
#include "kvant/c_api_scatter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "kvant/c_api.h"
#include "kvant/kvant.h"
#include "kvant/testing/c_api_test_util.h"
#include "kvant/testing/dl_tensor.h"

namespace kvant {
namespace {

constexpr DLDataType kDlFloat16 = {kDLFloat, 16, 1}, kDlInt32 = {kDLInt, 32, 1}, kDlInt64 = {kDLInt, 64, 1};
constexpr int64_t kColumns = 8;

// A cache of three rows of five places; two updates of two places as pairs, the second of which is padding, and one
// that points outside. As slots: three updates of one place.
class CApiScatter : public testing::Test {
 protected:
  std::vector<float> updates_ = Numbers(3 * 2 * kColumns, 0.7f);
  std::vector<int64_t> pairs_{2, 3, 0, -1, 7, 0};
  std::vector<int32_t> slots_{14, -1, 6};
  DlTensor updates{updates_.data(), kDlFloat32, {3, 2, kColumns}}, rows{updates_.data(), kDlFloat32, {3, kColumns}};
  DlTensor pairs{pairs_.data(), kDlInt64, {3, 2}}, slots{slots_.data(), kDlInt32, {3}};
  ConstTensorView cpp_updates{updates_.data(), DType::kFloat32, {3, 2, kColumns}};
  ConstTensorView cpp_rows{updates_.data(), DType::kFloat32, {3, kColumns}};
  ConstTensorView cpp_pairs{pairs_.data(), DType::kInt64, {3, 2}}, cpp_slots{slots_.data(), DType::kInt32, {3}};
};

TEST_F(CApiScatter, ScatterUpdate) {
  const std::vector<int64_t> shape = {3, 5, kColumns};
  const auto before = Numbers(3 * 5 * kColumns, 3);
  auto self = before, out = Unwritten<float>(3 * 5 * kColumns), cpp_out = out;
  DlTensor self_t(self.data(), kDlFloat32, shape), out_t(out.data(), kDlFloat32, shape);
  kvant_scatter_update_args c = KVANT_SCATTER_UPDATE_ARGS_INIT;
  EXPECT_EQ(c.axis, -2);
  c.self = &self_t;
  c.indices = &pairs;
  c.updates = &updates;
  c.axis = 1;
  c.index_mode = KVANT_INDEX_PAIR;
  c.index_policy = KVANT_INDEX_SKIP;
  c.out = &out_t;
  ASSERT_EQ(kvant_scatter_update(&c, nullptr), KVANT_OK) << kvant_last_error();

  ScatterUpdateArgs cpp;
  cpp.self = {before.data(), DType::kFloat32, shape};
  cpp.indices = cpp_pairs;
  cpp.updates = cpp_updates;
  cpp.axis = 1;
  cpp.index_mode = IndexMode::kPair;
  cpp.index_policy = IndexPolicy::kSkip;
  cpp.out = {cpp_out.data(), DType::kFloat32, shape};
  ASSERT_TRUE(ScatterUpdate(cpp).ok());
  ExpectSame(out, cpp_out);
  ExpectSame(self, before);
  EXPECT_EQ(out[(2 * 5 + 3) * kColumns], updates_[0]);

  kvant_tensor_spec spec;
  TensorSpec cpp_spec;
  ASSERT_EQ(kvant_infer_scatter_update(&c, &spec), KVANT_OK) << kvant_last_error();
  ASSERT_TRUE(InferScatterUpdate(cpp, &cpp_spec).ok());
  ExpectSame(spec, cpp_spec, kDlFloat32);

  EXPECT_EQ(kvant_scatter_update_in_place(&c, nullptr), KVANT_INVALID_VALUE);
  EXPECT_STREQ(kvant_last_error(), "scatter_update_: out was given, but self is written in place");
  c.out = nullptr;
  ASSERT_EQ(kvant_scatter_update_in_place(&c, nullptr), KVANT_OK) << kvant_last_error();
  ExpectSame(self, out);
}

TEST_F(CApiScatter, QuantScatter) {
  const std::vector<int64_t> shape = {3, 5, kColumns};
  const auto before = Unwritten<uint8_t>(3 * 5 * kColumns);
  auto self = before, out = before, cpp_out = before;
  std::vector<float> scales = Numbers(kColumns, 0.9f);
  std::vector<int32_t> points = {3};
  DlTensor self_t(self.data(), kDlUInt8, shape), out_t(out.data(), kDlUInt8, shape);
  DlTensor scales_t(scales.data(), kDlFloat32, {kColumns}), points_t(points.data(), kDlInt32, {1});
  kvant_quant_scatter_args c = KVANT_QUANT_SCATTER_ARGS_INIT;
  EXPECT_EQ(c.quant_axis, -1);
  c.self = &self_t;
  c.indices = &slots;
  c.updates = &rows;
  c.quant_scales = &scales_t;
  c.quant_zero_points = &points_t;
  c.dst_type = KVANT_HIFLOAT8;
  c.axis = 1;
  c.quant_axis = 1;
  c.reciprocal_scale = 1;
  c.round_mode = KVANT_ROUND_HYBRID;
  c.index_mode = KVANT_INDEX_SLOT;
  c.out = &out_t;
  ASSERT_EQ(kvant_quant_scatter(&c, nullptr), KVANT_OK) << kvant_last_error();

  QuantScatterArgs cpp;
  cpp.self = {before.data(), DType::kUInt8, shape};
  cpp.indices = cpp_slots;
  cpp.updates = cpp_rows;
  cpp.quant_scales = {scales.data(), DType::kFloat32, {kColumns}};
  cpp.quant_zero_points = {points.data(), DType::kInt32, {1}};
  cpp.dst_type = Format::kHiFloat8;
  cpp.axis = 1;
  cpp.quant_axis = 1;
  cpp.reciprocal_scale = true;
  cpp.round_mode = RoundMode::kHybrid;
  cpp.index_mode = IndexMode::kSlot;
  cpp.out = {cpp_out.data(), DType::kUInt8, shape};
  ASSERT_TRUE(QuantScatter(cpp).ok());
  ExpectSame(out, cpp_out);
  ExpectSame(self, before);
  EXPECT_NE(std::memcmp(out.data(), before.data(), out.size()), 0);

  kvant_tensor_spec spec;
  TensorSpec cpp_spec;
  ASSERT_EQ(kvant_infer_quant_scatter(&c, &spec), KVANT_OK) << kvant_last_error();
  ASSERT_TRUE(InferQuantScatter(cpp, &cpp_spec).ok());
  ExpectSame(spec, cpp_spec, kDlUInt8);

  EXPECT_EQ(kvant_quant_scatter_in_place(&c, nullptr), KVANT_INVALID_VALUE);
  EXPECT_STREQ(kvant_last_error(), "quant_scatter_: out was given, but self is written in place");
  c.out = nullptr;
  ASSERT_EQ(kvant_quant_scatter_in_place(&c, nullptr), KVANT_OK) << kvant_last_error();
  ExpectSame(self, out);
}

// The memory of one cache: INT4 codes, and float16 tables with a scale for every four elements.
struct Cache {
  std::vector<uint8_t> var = Unwritten<uint8_t>(3 * 5 * kColumns / 2);
  std::vector<uint16_t> scale = Unwritten<uint16_t>(3 * 5 * 2), offset = scale;
};

TEST_F(CApiScatter, TwoCachesAndBack) {
  Cache k, v, cpp_k, cpp_v;
  std::vector<float> smooth = Numbers(kColumns, -1.3f), values = Numbers(3 * 2 * kColumns, 5);
  const std::vector<int64_t> codes = {3, 5, kColumns / 2}, params = {3, 5, 2};
  DlTensor k_var(k.var.data(), kDlUInt8, codes), k_scale(k.scale.data(), kDlFloat16, params),
      k_offset(k.offset.data(), kDlFloat16, params);
  DlTensor v_var(v.var.data(), kDlUInt8, codes), v_scale(v.scale.data(), kDlFloat16, params),
      v_offset(v.offset.data(), kDlFloat16, params);
  DlTensor values_t(values.data(), kDlFloat32, {3, 2, kColumns}), smooth_t(smooth.data(), kDlFloat32, {kColumns});
  kvant_dynamic_quant_update_scatter_args c = KVANT_DYNAMIC_QUANT_UPDATE_SCATTER_ARGS_INIT;
  EXPECT_EQ(c.axis, -2);
  c.updates = &updates;
  c.var = &k_var;
  c.var_scale = &k_scale;
  c.var_offset = &k_offset;
  c.second = {&values_t, &v_var, &v_scale, &v_offset};
  c.indices = &pairs;
  c.smooth_scales = &smooth_t;
  c.dst_type = KVANT_INT4;
  c.negate_offset = 1;
  c.axis = 1;
  c.index_mode = KVANT_INDEX_PAIR;
  c.index_policy = KVANT_INDEX_SKIP;
  c.group_size = 4;
  ASSERT_EQ(kvant_dynamic_quant_update_scatter(&c, nullptr), KVANT_OK) << kvant_last_error();

  DynamicQuantUpdateScatterArgs cpp;
  cpp.updates = cpp_updates;
  cpp.var = {cpp_k.var.data(), DType::kUInt8, codes};
  cpp.var_scale = {cpp_k.scale.data(), DType::kFloat16, params};
  cpp.var_offset = {cpp_k.offset.data(), DType::kFloat16, params};
  cpp.second.updates = {values.data(), DType::kFloat32, {3, 2, kColumns}};
  cpp.second.var = {cpp_v.var.data(), DType::kUInt8, codes};
  cpp.second.var_scale = {cpp_v.scale.data(), DType::kFloat16, params};
  cpp.second.var_offset = {cpp_v.offset.data(), DType::kFloat16, params};
  cpp.indices = cpp_pairs;
  cpp.smooth_scales = {smooth.data(), DType::kFloat32, {kColumns}};
  cpp.dst_type = Format::kInt4;
  cpp.negate_offset = true;
  cpp.axis = 1;
  cpp.index_mode = IndexMode::kPair;
  cpp.index_policy = IndexPolicy::kSkip;
  cpp.group_size = 4;
  ASSERT_TRUE(DynamicQuantUpdateScatter(cpp).ok());
  ExpectSame(k.var, cpp_k.var);
  ExpectSame(k.scale, cpp_k.scale);
  ExpectSame(k.offset, cpp_k.offset);
  ExpectSame(v.var, cpp_v.var);
  ExpectSame(v.scale, cpp_v.scale);
  ExpectSame(v.offset, cpp_v.offset);
  EXPECT_NE(std::memcmp(k.scale.data(), v.scale.data(), k.scale.size() * 2), 0);

  auto x = Unwritten<uint16_t>(3 * 2 * kColumns), cpp_x = x;
  DlTensor x_t(x.data(), kDlFloat16, {3, 2, kColumns});
  kvant_dequantize_gather_args g = KVANT_DEQUANTIZE_GATHER_ARGS_INIT;
  EXPECT_EQ(g.axis, -2);
  EXPECT_EQ(g.length, 1);
  g.var = &k_var;
  g.var_scale = &k_scale;
  g.var_offset = &k_offset;
  g.indices = &pairs;
  g.dst_type = KVANT_INT4;
  g.negate_offset = 1;
  g.axis = 1;
  g.index_mode = KVANT_INDEX_PAIR;
  g.index_policy = KVANT_INDEX_SKIP;
  g.length = 2;
  g.group_size = 4;
  g.x = &x_t;
  ASSERT_EQ(kvant_dequantize_gather(&g, nullptr), KVANT_OK) << kvant_last_error();
  DequantizeGatherArgs cpp_g;
  cpp_g.var = cpp.var;
  cpp_g.var_scale = cpp.var_scale;
  cpp_g.var_offset = cpp.var_offset;
  cpp_g.indices = cpp_pairs;
  cpp_g.dst_type = Format::kInt4;
  cpp_g.length = 2;
  cpp_g.group_size = 4;
  cpp_g.negate_offset = true;
  cpp_g.axis = 1;
  cpp_g.index_mode = IndexMode::kPair;
  cpp_g.index_policy = IndexPolicy::kSkip;
  cpp_g.x = {cpp_x.data(), DType::kFloat16, {3, 2, kColumns}};
  ASSERT_TRUE(DequantizeGather(cpp_g).ok());
  ExpectSame(x, cpp_x);

  kvant_tensor_spec spec;
  TensorSpec cpp_spec;
  g.x = nullptr;
  ASSERT_EQ(kvant_infer_dequantize_gather(&g, kDlFloat16, &spec), KVANT_OK) << kvant_last_error();
  ASSERT_TRUE(InferDequantizeGather(cpp_g, DType::kFloat16, &cpp_spec).ok());
  ExpectSame(spec, cpp_spec, kDlFloat16);
  EXPECT_EQ(kvant_infer_dequantize_gather(&g, {kDLFloat, 64, 1}, &spec), KVANT_INVALID_TYPE);
}

TEST_F(CApiScatter, SymmetricHasNoOffset) {
  auto codes = Unwritten<int8_t>(3 * 5 * kColumns);
  auto scale = Unwritten<float>(3 * 5);
  DlTensor var(codes.data(), kDlInt8, {3, 5, kColumns}), table(scale.data(), kDlFloat32, {3, 5});
  kvant_dynamic_quant_update_scatter_args c = KVANT_DYNAMIC_QUANT_UPDATE_SCATTER_ARGS_INIT;
  c.updates = &rows;
  c.var = &var;
  c.var_scale = &table;
  c.indices = &slots;
  c.symmetric = 1;
  c.index_mode = KVANT_INDEX_SLOT;
  ASSERT_EQ(kvant_dynamic_quant_update_scatter(&c, nullptr), KVANT_OK) << kvant_last_error();
  float largest = 0;
  for (int64_t k = 0; k < kColumns; ++k) largest = std::max(largest, std::abs(updates_[k]));
  EXPECT_EQ(scale[14], largest / 127.0f);
}

class CApiScatterErrors : public CApiScatter {
 protected:
  std::vector<float> self_ = Numbers(3 * 5 * kColumns, 3), before_ = self_;
  DlTensor self{self_.data(), kDlFloat32, {3, 5, kColumns}};
  kvant_scatter_update_args args = KVANT_SCATTER_UPDATE_ARGS_INIT;

  CApiScatterErrors() {
    args.self = &self;
    args.indices = &pairs;
    args.updates = &updates;
    args.index_mode = KVANT_INDEX_PAIR;
  }
  void ExpectError(kvant_status status, const std::string& message) {
    EXPECT_EQ(kvant_scatter_update_in_place(&args, nullptr), status);
    EXPECT_EQ(kvant_last_error(), "scatter_update_: " + message);
    ExpectSame(self_, before_);
  }
};

TEST_F(CApiScatterErrors, IndexModeHasToBeGiven) {
  args.index_mode = KVANT_INDEX_NOT_GIVEN;
  ExpectError(KVANT_INVALID_VALUE, "index_mode is missing, expected batch, pair or slot");
  const kvant_scatter_update_args init = KVANT_SCATTER_UPDATE_ARGS_INIT;
  EXPECT_EQ(init.index_mode, KVANT_INDEX_NOT_GIVEN);
}

TEST_F(CApiScatterErrors, IndicesThatPointOutside) {
  ExpectError(KVANT_OUT_OF_RANGE, "indices[2, 0] is 7, expected 0 to 2, or -1 for padding");
  kvant_tensor_spec spec;
  EXPECT_EQ(kvant_infer_scatter_update(&args, &spec), KVANT_OK) << "values of indices are not read";
}

TEST_F(CApiScatterErrors, EnumeratorsAreChecked) {
  for (const int32_t mode : {-1, 4}) {
    args.index_mode = mode;
    ExpectError(KVANT_INVALID_VALUE, "index_mode is " + std::to_string(mode) + ", expected 1 to 3");
  }
  args.index_mode = KVANT_INDEX_PAIR;
  args.index_policy = 2;
  ExpectError(KVANT_INVALID_VALUE, "index_policy is 2, expected 0 to 1");
}

TEST_F(CApiScatterErrors, TensorsAreNamed) {
  DlTensor huge(updates_.data(), kDlFloat32, {3, 2, kColumns});
  huge.ndim = 33;
  args.updates = &huge;
  ExpectError(KVANT_INVALID_VALUE, "updates has 33 dimensions, expected 0 to 32");
  kvant_dynamic_quant_update_scatter_args c = KVANT_DYNAMIC_QUANT_UPDATE_SCATTER_ARGS_INIT;
  c.second.var_scale = &huge;
  EXPECT_EQ(kvant_dynamic_quant_update_scatter(&c, nullptr), KVANT_INVALID_VALUE);
  EXPECT_STREQ(kvant_last_error(),
               "dynamic_quant_update_scatter_: second.var_scale has 33 dimensions, expected 0 to 32");
}

// Structs grow at the end: one of another size is legal if it is larger and has nothing set that is not known.
template <class Args>
void ExpectSizeIsChecked(const std::string& op, Args args, kvant_status (*call)(const Args*, const kvant_exec*)) {
  const std::string size = std::to_string(sizeof(Args));
  EXPECT_EQ(call(nullptr, nullptr), KVANT_INVALID_VALUE);
  EXPECT_EQ(kvant_last_error(), op + ": the argument struct is NULL");
  args.struct_size = sizeof(Args) - 8;
  EXPECT_EQ(call(&args, nullptr), KVANT_INVALID_VALUE);
  EXPECT_EQ(kvant_last_error(), op + ": struct_size is " + std::to_string(sizeof(Args) - 8) + ", expected " + size +
                                    ": initialize the struct with its _INIT macro");
  struct Newer {
    Args known;
    int64_t later;
  } newer = {args, 1};
  newer.known.struct_size = sizeof(Newer);
  EXPECT_EQ(call(reinterpret_cast<const Args*>(&newer), nullptr), KVANT_INVALID_VALUE);
  EXPECT_EQ(kvant_last_error(), op + ": struct_size is " + std::to_string(sizeof(Newer)) + ", and a field beyond the " +
                                    size + " bytes that version " KVANT_VERSION_STRING " knows is set");
  newer.later = 0;
  EXPECT_EQ(call(reinterpret_cast<const Args*>(&newer), nullptr), KVANT_INVALID_VALUE);
  const std::string message = kvant_last_error();
  EXPECT_NE(message.find(" is missing"), std::string::npos) << message << ": its tensors are read";
}

TEST(CApiScatterStructs, SizesAreChecked) {
  ExpectSizeIsChecked("scatter_update", kvant_scatter_update_args KVANT_SCATTER_UPDATE_ARGS_INIT, kvant_scatter_update);
  ExpectSizeIsChecked("scatter_update_", kvant_scatter_update_args KVANT_SCATTER_UPDATE_ARGS_INIT,
                      kvant_scatter_update_in_place);
  ExpectSizeIsChecked("quant_scatter", kvant_quant_scatter_args KVANT_QUANT_SCATTER_ARGS_INIT, kvant_quant_scatter);
  ExpectSizeIsChecked("quant_scatter_", kvant_quant_scatter_args KVANT_QUANT_SCATTER_ARGS_INIT,
                      kvant_quant_scatter_in_place);
  ExpectSizeIsChecked("dynamic_quant_update_scatter_",
                      kvant_dynamic_quant_update_scatter_args KVANT_DYNAMIC_QUANT_UPDATE_SCATTER_ARGS_INIT,
                      kvant_dynamic_quant_update_scatter);
  ExpectSizeIsChecked("dequantize_gather", kvant_dequantize_gather_args KVANT_DEQUANTIZE_GATHER_ARGS_INIT,
                      kvant_dequantize_gather);
}

}  // namespace
}  // namespace kvant
