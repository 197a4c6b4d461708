// Every operator as a node gives the bytes of a call of it.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "kvant/graph/op_def.h"
#include "kvant/graph/ops_test_util.h"

namespace kvant::graph {
namespace {

TEST_F(Ops, DynamicQuantAndItsParts) {
  Floats("x", DType::kFloat16, {3, 2, 8});
  Floats("smooth_scales", DType::kFloat32, {2, 8});
  Integers("group_index", DType::kInt32, {2, 6});
  const auto with = [&](auto args, Tensors& in) {
    args.x = in.at("x").view();
    args.smooth_scales = in.at("smooth_scales").view();
    args.group_index = in.at("group_index").view();
    args.group_size = 4;
    return args;
  };
  Same("dynamic_quant", {{"dst_type", 29}, {"group_size", 4}}, {"y", "scale", "offset"},
       [&](Tensors& in, Tensors& out) {
         DynamicQuantArgs a = with(DynamicQuantArgs(), in);
         a.dst_type = Format::kInt4;
         a.y = out.at("y").view();
         a.scale = out.at("scale").view();
         a.offset = out.at("offset").view();
         return DynamicQuant(a);
       });
  Same("row_amax", {{"group_size", 4}}, {"amax"}, [&](Tensors& in, Tensors& out) {
    RowStatsArgs a = with(RowStatsArgs(), in);
    a.amax = out.at("amax").view();
    return RowAmax(a);
  });
  Same("row_minmax", {{"group_size", 4}}, {"min", "max"}, [&](Tensors& in, Tensors& out) {
    RowStatsArgs a = with(RowStatsArgs(), in);
    a.min = out.at("min").view();
    a.max = out.at("max").view();
    return RowMinMax(a);
  });
  Floats("scale", DType::kFloat32, {3, 2, 2});
  Floats("offset", DType::kFloat32, {3, 2, 2});
  Same("quantize_with_params", {{"group_size", 4}}, {"y"}, [&](Tensors& in, Tensors& out) {
    QuantizeWithParamsArgs a = with(QuantizeWithParamsArgs(), in);
    a.scale = in.at("scale").view();
    a.offset = in.at("offset").view();
    a.y = out.at("y").view();
    return QuantizeWithParams(a);
  });
}

TEST_F(Ops, DynamicQuantToHiFloat8) {
  Floats("x", DType::kBFloat16, {5, 6});
  Same("dynamic_quant",
       {{"dst_type", Format::kHiFloat8}, {"symmetric", true}, {"quant_mode", "perchannel"}, {"dst_type_max", 16}},
       {"y", "scale"}, [&](Tensors& in, Tensors& out) {
         DynamicQuantArgs a;
         a.x = in.at("x").view();
         a.dst_type = Format::kHiFloat8;
         a.symmetric = true;
         a.quant_mode = QuantMode::kPerChannel;
         a.dst_type_max = 16;
         a.y = out.at("y").view();
         a.scale = out.at("scale").view();
         return DynamicQuant(a);
       });
}

TEST_F(Ops, Params) {
  Floats("amax", DType::kFloat32, {3, 4});
  Same("params_from_amax", {{"dst_type", "hifloat8"}, {"dst_type_max", 2.5}}, {"scale"},
       [&](Tensors& in, Tensors& out) {
         return ParamsFromAmax({in.at("amax").view(), Format::kHiFloat8, 2.5, out.at("scale").view()});
       });
  in_.clear();
  Floats("min", DType::kFloat32, {3, 4});
  Floats("max", DType::kFloat32, {3, 4});
  Same("params_from_minmax", {{"dst_type", "int4"}}, {"scale", "offset"}, [&](Tensors& in, Tensors& out) {
    return ParamsFromMinMax(
        {in.at("min").view(), in.at("max").view(), Format::kInt4, 0, out.at("scale").view(), out.at("offset").view()});
  });
}

TEST_F(Ops, QuantizeAndDequantize) {
  Floats("x", DType::kFloat32, {3, 4});
  Floats("quant_scales", DType::kBFloat16, {3});
  Floats("quant_zero_points", DType::kFloat16, {1});
  Same("quantize",
       {{"dst_type", "hifloat8"}, {"axis", 0}, {"reciprocal_scale", true}, {"round_mode", RoundMode::kHybrid}}, {"y"},
       [&](Tensors& in, Tensors& out) {
         QuantizeArgs a;
         a.x = in.at("x").view();
         a.quant_scales = in.at("quant_scales").view();
         a.quant_zero_points = in.at("quant_zero_points").view();
         a.dst_type = Format::kHiFloat8;
         a.axis = 0;
         a.reciprocal_scale = true;
         a.round_mode = RoundMode::kHybrid;
         a.y = out.at("y").view();
         return Quantize(a);
       });
  in_.clear();
  In("y", DType::kInt8, {3, 8});
  Floats("scale", DType::kFloat16, {3, 2});
  Floats("offset", DType::kFloat16, {3, 2});
  Same("dequantize", {{"group_size", 4}, {"negate_offset", true}, {"dtype", DType::kBFloat16}}, {"x"},
       [&](Tensors& in, Tensors& out) {
         DequantizeArgs a;
         a.y = in.at("y").view();
         a.scale = in.at("scale").view();
         a.offset = in.at("offset").view();
         a.group_size = 4;
         a.negate_offset = true;
         a.x = out.at("x").view();
         return Dequantize(a);
       });
}

TEST_F(Ops, DequantSwigluQuant) {
  In("x", DType::kInt32, {4, 12}, Layout::kContiguous);
  for (int64_t i = 0; i < 48; ++i) in_.at("x").Set(i, static_cast<int32_t>(testing::Uniform(rng_, -90, 90)));
  Floats("weight_scale", DType::kFloat32, {2, 12});
  Floats("activation_scale", DType::kFloat32, {4});
  Floats("bias", DType::kFloat16, {2, 12});
  Floats("quant_scale", DType::kFloat32, {2, 6});
  Integers("group_index", DType::kInt64, {1, 2});
  const auto of = [](Tensors& in, Tensors& out) {
    DequantSwigluQuantArgs a;
    a.x = in.at("x").view();
    a.weight_scale = in.at("weight_scale").view();
    a.activation_scale = in.at("activation_scale").view();
    a.bias = in.at("bias").view();
    a.quant_scale = in.at("quant_scale").view();
    a.group_index = in.at("group_index").view();
    a.activate_left = true;
    a.y = out.at("y").view();
    a.scale = out.at("scale").view();
    return a;
  };
  Same("dequant_swiglu_quant",
       {{"activate_left", true},
        {"quant_mode", 1},
        {"swiglu_mode", 2},
        {"clamp_limit", 5},
        {"glu_alpha", 1.5},
        {"glu_bias", 0.5},
        {"dst_type", "float8_e5m2"}},
       {"y", "scale"}, [&](Tensors& in, Tensors& out) {
         DequantSwigluQuantArgs a = of(in, out);
         a.quant_mode = ScaleSource::kDynamic;
         a.swiglu_mode = SwigluMode::kClamped;
         a.clamp_limit = 5;
         a.glu_alpha = 1.5;
         a.glu_bias = 0.5;
         a.dst_type = Format::kFloat8E5M2;
         return DequantSwigluQuant(a);
       });
  Floats("quant_offset", DType::kFloat32, {2, 6});
  Same("dequant_swiglu_quant", {{"activate_left", true}, {"quant_mode", "static"}}, {"y", "scale"},
       [&](Tensors& in, Tensors& out) {
         DequantSwigluQuantArgs a = of(in, out);
         a.quant_offset = in.at("quant_offset").view();
         return DequantSwigluQuant(a);
       });
}

TEST_F(Ops, PackingAndCounts) {
  In("codes", DType::kInt8, {3, 16});
  Same("pack_int4", {{"storage", "int32"}}, {"packed"}, [](Tensors& in, Tensors& out) {
    return PackInt4({in.at("codes").view(), out.at("packed").view()});
  });
  in_.clear();
  In("packed", DType::kUInt8, {3, 2}, Layout::kPacked);
  Same("unpack_int4", {}, {"codes"}, [](Tensors& in, Tensors& out) {
    return UnpackInt4({in.at("packed").view(), out.at("codes").view()});
  });
  in_.clear();
  Integers("ends", DType::kInt64, {2, 2, 9});
  Same("counts_from_ends", {}, {"counts"},
       [](Tensors& in, Tensors& out) { return CountsFromEnds(in.at("ends").view(), out.at("counts").view()); });
  in_.clear();
  Integers("counts", DType::kInt32, {2, 0, 7});
  Same("ends_from_counts", {}, {"ends"},
       [](Tensors& in, Tensors& out) { return EndsFromCounts(in.at("counts").view(), out.at("ends").view()); });
}

TEST(Operators, AreTheseAndInTheReadme) {
  const std::vector<std::string_view> all = {"counts_from_ends",
                                             "dequant_swiglu_quant",
                                             "dequantize",
                                             "dequantize_gather",
                                             "dynamic_quant",
                                             "dynamic_quant_update_scatter_",
                                             "ends_from_counts",
                                             "neg",
                                             "pack_int4",
                                             "params_from_amax",
                                             "params_from_minmax",
                                             "quant_scatter",
                                             "quant_scatter_",
                                             "quantize",
                                             "quantize_with_params",
                                             "row_amax",
                                             "row_minmax",
                                             "scatter_update",
                                             "scatter_update_",
                                             "unpack_int4",
                                             "view"};
  EXPECT_EQ(Operators(), all);
  std::ifstream file(KVANT_SOURCE_DIR "/kvant/graph/README.md");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  for (const OpDef& op : AllOps()) {
    const size_t at = text.find(std::string(op.name), text.find("| node |"));
    ASSERT_NE(at, std::string::npos) << op.name;
    const std::string line = text.substr(at, text.find('\n', at) - at);
    for (const ArgumentDef& a : op.arguments) {
      EXPECT_NE(line.find(std::string(a.name) + (a.optional() ? "?" : "")), std::string::npos) << op.name << a.name;
    }
    for (const AttributeDef& a : op.attributes) EXPECT_NE(line.find(a.name), std::string::npos) << op.name << a.name;
  }
}

// Bits as they are: no arithmetic touches them.
TEST(ViewAndNeg, Bits) {
  Graph g;
  const Value x = g.AddInput("x", DType::kFloat32, {2, 2}, {1, 2});
  const Value h = g.AddInput("h", DType::kBFloat16, {2, 1});
  g.AddOutput("-x", g.Add("neg", {{"x", x}}));
  g.AddOutput("-h", g.Add("view", {{"x", g.Add("neg", {{"x", h}})}}, {{"shape", {1, 2}}}));
  const uint32_t of_x[4] = {0x00000000, 0x80000001, 0x7FC00000, 0xFF812345};
  const uint16_t of_h[2] = {0x7FC0, 0x8000};
  std::vector<Tensor> outputs;
  const Status status = graph::Run(g,
                                   {{"x", ConstTensorView(of_x, DType::kFloat32, {2, 2}, {1, 2})},
                                    {"h", ConstTensorView(of_h, DType::kBFloat16, {2, 1})}},
                                   &outputs);
  ASSERT_TRUE(status.ok()) << status.message();
  const auto* words = static_cast<const uint32_t*>(outputs[0].view().data());
  EXPECT_EQ(std::vector<uint32_t>(words, words + 4),
            (std::vector<uint32_t>{0x80000000, 0xFFC00000, 0x00000001, 0x7F812345}));
  const auto* halves = static_cast<const uint16_t*>(outputs[1].view().data());
  EXPECT_EQ(std::vector<uint16_t>(halves, halves + 2), (std::vector<uint16_t>{0xFFC0, 0x0000}));
  EXPECT_EQ(outputs[1].view().rank(), 2);
  EXPECT_EQ(outputs[1].view().shape(1), 2);
}

}  // namespace
}  // namespace kvant::graph
