// Enumerators made from numbers that name none: every operator says so, and nothing is written.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "kvant/kvant.h"

namespace kvant {
namespace {

constexpr uint8_t kGuard = 0x5A;

class Enumerators : public testing::Test {
 protected:
  void TearDown() override {
    EXPECT_EQ(std::count(written_.begin(), written_.end(), kGuard), static_cast<int64_t>(written_.size()));
  }

  TensorView Out(DType dtype, std::initializer_list<int64_t> shape) { return {written_.data(), dtype, shape}; }

  template <class Enum>
  static Enum Bad(int beyond = 1) {
    return static_cast<Enum>(static_cast<int>(LastOf(Enum{})) + beyond);
  }

  static void Expect(const Status& status, std::string_view text) {
    EXPECT_EQ(status.code(), StatusCode::kInvalidValue);
    EXPECT_EQ(status.message(), text);
  }

  std::vector<uint8_t> written_ = std::vector<uint8_t>(4096, kGuard);
  std::vector<float> values_ = std::vector<float>(64, 1.0f);
  std::vector<int64_t> zeros_ = std::vector<int64_t>(64, 0);
  const ConstTensorView x_{values_.data(), DType::kFloat32, {2, 8}};
  const ConstTensorView updates_{values_.data(), DType::kFloat32, {1, 1, 1, 8}};
  const ConstTensorView one_{values_.data(), DType::kFloat32, {1}};
  const ConstTensorView codes_{zeros_.data(), DType::kInt8, {2, 8}};
  const ConstTensorView cache_{zeros_.data(), DType::kInt8, {1, 2, 1, 8}};
  const ConstTensorView table_{values_.data(), DType::kFloat32, {1, 2, 1}};
  const ConstTensorView indices_{zeros_.data(), DType::kInt64, {1}};
};

TEST_F(Enumerators, DynamicQuant) {
  DynamicQuantArgs a;
  a.x = x_;
  a.y = Out(DType::kUInt8, {2, 8});
  a.scale = {written_.data() + 1024, DType::kFloat32, {2}};
  a.offset = {written_.data() + 2048, DType::kFloat32, {2}};
  a.dst_type = Bad<Format>();
  Expect(DynamicQuant(a), "dynamic_quant: dst_type is 5, expected 0 to 4");
  a.dst_type = Bad<Format>(200);
  Expect(DynamicQuant(a), "dynamic_quant: dst_type is 204, expected 0 to 4");
  DynamicQuantOutputs outputs;
  Expect(InferDynamicQuant(a, &outputs), "dynamic_quant: dst_type is 204, expected 0 to 4");
  a.dst_type = Format::kHiFloat8;
  a.quant_mode = Bad<QuantMode>();
  Expect(DynamicQuant(a), "dynamic_quant: quant_mode is 3, expected 0 to 2");
}

TEST_F(Enumerators, Parts) {
  RowStatsArgs stats;
  stats.x = x_;
  stats.quant_mode = Bad<QuantMode>();
  stats.amax = Out(DType::kFloat32, {2});
  Expect(RowAmax(stats), "row_amax: quant_mode is 3, expected 0 to 2");

  ParamsFromAmaxArgs amax;
  amax.amax = one_;
  amax.scale = Out(DType::kFloat32, {1});
  amax.dst_type = Bad<Format>();
  Expect(ParamsFromAmax(amax), "params_from_amax: dst_type is 5, expected 0 to 4");

  ParamsFromMinMaxArgs minmax;
  minmax.min = minmax.max = one_;
  minmax.scale = Out(DType::kFloat32, {1});
  minmax.offset = {written_.data() + 1024, DType::kFloat32, {1}};
  minmax.dst_type = Bad<Format>();
  Expect(ParamsFromMinMax(minmax), "params_from_minmax: dst_type is 5, expected 0 to 4");

  QuantizeWithParamsArgs with;
  with.x = x_;
  with.scale = ConstTensorView(values_.data(), DType::kFloat32, {2});
  with.y = Out(DType::kUInt8, {2, 8});
  with.dst_type = Bad<Format>();
  Expect(QuantizeWithParams(with), "quantize_with_params: dst_type is 5, expected 0 to 4");
}

TEST_F(Enumerators, QuantizeAndDequantize) {
  QuantizeArgs a;
  a.x = x_;
  a.quant_scales = one_;
  a.y = Out(DType::kUInt8, {2, 8});
  a.dst_type = Bad<Format>();
  Expect(Quantize(a), "quantize: dst_type is 5, expected 0 to 4");
  a.dst_type = Format::kHiFloat8;
  a.round_mode = Bad<RoundMode>();
  Expect(Quantize(a), "quantize: round_mode is 3, expected 0 to 2");

  DequantizeArgs b;
  b.y = ConstTensorView(zeros_.data(), DType::kUInt8, {2, 8});
  b.scale = ConstTensorView(values_.data(), DType::kFloat32, {2});
  b.x = Out(DType::kFloat32, {2, 8});
  b.dst_type = Bad<Format>();
  Expect(Dequantize(b), "dequantize: dst_type is 5, expected 0 to 4");
}

TEST_F(Enumerators, Caches) {
  ScatterUpdateInPlaceArgs copy;
  copy.self = Out(DType::kFloat32, {1, 2, 1, 8});
  copy.indices = indices_;
  copy.updates = updates_;
  copy.index_mode = Bad<IndexMode>();
  Expect(ScatterUpdateInPlace(copy), "scatter_update_: index_mode is 3, expected 0 to 2");
  copy.index_mode = IndexMode::kBatch;
  copy.axis = 1;
  copy.index_policy = Bad<IndexPolicy>();
  Expect(ScatterUpdateInPlace(copy), "scatter_update_: index_policy is 2, expected 0 to 1");

  QuantScatterInPlaceArgs scatter;
  scatter.self = Out(DType::kUInt8, {1, 2, 1, 8});
  scatter.indices = indices_;
  scatter.updates = updates_;
  scatter.quant_scales = one_;
  scatter.axis = 1;
  scatter.index_mode = IndexMode::kBatch;
  scatter.dst_type = Bad<Format>();
  Expect(QuantScatterInPlace(scatter), "quant_scatter_: dst_type is 5, expected 0 to 4");

  DynamicQuantUpdateScatterArgs fused;
  fused.var = Out(DType::kInt8, {1, 2, 1, 8});
  fused.updates = updates_;
  fused.var_scale = {written_.data() + 1024, DType::kFloat32, {1, 2, 1}};
  fused.var_offset = {written_.data() + 2048, DType::kFloat32, {1, 2, 1}};
  fused.indices = indices_;
  fused.axis = 1;
  fused.index_mode = IndexMode::kBatch;
  fused.dst_type = Bad<Format>();
  Expect(DynamicQuantUpdateScatter(fused), "dynamic_quant_update_scatter_: dst_type is 5, expected 0 to 4");
  fused.dst_type = Format::kInt8;
  fused.index_mode = Bad<IndexMode>();
  Expect(DynamicQuantUpdateScatter(fused), "dynamic_quant_update_scatter_: index_mode is 3, expected 0 to 2");
  fused.index_mode = IndexMode::kBatch;
  fused.index_policy = Bad<IndexPolicy>();
  Expect(DynamicQuantUpdateScatter(fused), "dynamic_quant_update_scatter_: index_policy is 2, expected 0 to 1");

  DequantizeGatherArgs gather;
  gather.var = cache_;
  gather.var_scale = table_;
  gather.indices = indices_;
  gather.axis = 1;
  gather.index_mode = IndexMode::kBatch;
  gather.dst_type = Bad<Format>();
  gather.x = Out(DType::kFloat32, {1, 1, 1, 8});
  Expect(DequantizeGather(gather), "dequantize_gather: dst_type is 5, expected 0 to 4");
}

TEST_F(Enumerators, DequantSwigluQuant) {
  DequantSwigluQuantArgs a;
  a.x = x_;
  a.y = Out(DType::kInt8, {2, 4});
  a.scale = {written_.data() + 1024, DType::kFloat32, {2}};
  a.dst_type = Bad<Format>();
  Expect(DequantSwigluQuant(a), "dequant_swiglu_quant: dst_type is 5, expected 0 to 4");
  a.dst_type = Format::kInt8;
  a.quant_mode = Bad<ScaleSource>();
  Expect(DequantSwigluQuant(a), "dequant_swiglu_quant: quant_mode is 2, expected 0 to 1");
  a.quant_mode = ScaleSource::kDynamic;
  a.swiglu_mode = Bad<SwigluMode>();
  Expect(DequantSwigluQuant(a), "dequant_swiglu_quant: swiglu_mode is 3, expected 0 to 2");
}

}  // namespace
}  // namespace kvant
