// What is fused, as text.
#include "kvant/graph/fuse_test_util.h"

namespace kvant::graph {
namespace {

TEST_F(Fusing, Symmetric) {
  const Node q = Quant();
  Write(scales, q["scale"]);
  Write(var, q["y"]);
  Becomes(
      "dynamic_quant_update_scatter_ = dynamic_quant_update_scatter_(updates=x, var=&var, var_scale=&scales, "
      "indices=slots) {symmetric=true, axis=1, index_mode=slot}\n",
      kDynamic);
}
TEST_F(Fusing, AsymmetricWithMinusTheOffsetAndSmoothScales) {
  const Node q = g.Add("dynamic_quant", {{"x", x}, {"smooth_scales", row}}, {}, "q");
  Write(var, q["y"], {{"index_policy", "skip"}});
  const Value minus = g.Add("neg", {{"x", q["offset"]}});
  Write(scales, q["scale"], {{"index_policy", "skip"}});
  Write(offsets, minus, {{"index_policy", "skip"}});
  Becomes(
      "dynamic_quant_update_scatter_ = dynamic_quant_update_scatter_(updates=x, var=&var, var_scale=&scales, "
      "var_offset=&offsets, indices=slots, smooth_scales=row) {negate_offset=true, axis=1, index_mode=slot, "
      "index_policy=skip}\n",
      kDynamic);
}
TEST_F(Fusing, GroupsOfElements) {
  const Value groups = g.AddInput("groups", DType::kFloat32, {2, 4, 2});
  const Node q = Quant({{"symmetric", true}, {"group_size", 4}});
  Write(var, q["y"]);
  Write(groups, q["scale"]);
  Becomes(
      "dynamic_quant_update_scatter_ = dynamic_quant_update_scatter_(updates=x, var=&var, var_scale=&groups, "
      "indices=slots) {symmetric=true, group_size=4, axis=1, index_mode=slot}\n",
      kDynamic);
}
// Views in between are made of x and of tables where the operator does not take these as they are. Views that nobody
// reads go.
TEST_F(Fusing, Views) {
  const Value wide = g.AddInput("wide", DType::kFloat32, {3, 1, 1, 8});
  const Value ones = g.AddInput("ones", DType::kFloat32, {2, 4, 1});
  const Node q = g.Add("dynamic_quant", {{"x", wide}}, {}, "q");
  const Value y = g.Add("view", {{"x", q["y"]}}, {{"shape", {3, 8}}});
  g.Add("view", {{"x", g.Add("view", {{"x", y}}, {{"shape", {24}}})}}, {{"shape", {1, 24}}});
  Write(var, y);
  Write(ones, g.Add("view", {{"x", q["scale"]}}, {{"shape", {3, 1}}}));
  Write(offsets, g.Add("view", {{"x", q["offset"]}}, {{"shape", {3}}}));
  Becomes(
      "view6 = view(x=wide) {shape=[3, 8]} : float32[3, 8]\n"
      "view7 = view(x=ones) {shape=[2, 4]} : float32[2, 4]\n"
      "dynamic_quant_update_scatter_ = dynamic_quant_update_scatter_(updates=view6, var=&var, var_scale=&view7, "
      "var_offset=&offsets, indices=slots) {axis=1, index_mode=slot}\n",
      kDynamic);
}
TEST_F(Fusing, WhatStandsAroundStays) {
  g.Add("neg", {{"x", x}}, {}, "first");
  const Node q = Quant();
  Write(scales, q["scale"]);
  g.Add("neg", {{"x", x}}, {}, "between");
  Write(var, q["y"]);
  g.AddOutput("end", g.Add("neg", {{"x", scales}}, {}, "last"));
  Becomes(
      "first = neg(x=x) : float32[3, 8]\nbetween = neg(x=x) : float32[3, 8]\n"
      "dynamic_quant_update_scatter_ = dynamic_quant_update_scatter_(updates=x, var=&var, var_scale=&scales, "
      "indices=slots) {symmetric=true, axis=1, index_mode=slot}\n"
      "last = neg(x=scales) : float32[2, 4]\noutput end = last\n",
      kDynamic);
}
TEST_F(Fusing, NewTensorsThatAreWrittenBack) {
  const Node q = Quant();
  g.WriteBack(var, Scattered(var, q["y"]));
  g.WriteBack(scales, Scattered(scales, q["scale"]));
  Becomes(
      "dynamic_quant_update_scatter_ = dynamic_quant_update_scatter_(updates=x, var=&var, var_scale=&scales, "
      "indices=slots) {symmetric=true, axis=1, index_mode=slot}\n",
      kDynamic);
}
TEST_F(Fusing, WriteBackAlone) {
  g.WriteBack(scales,
              Scattered(scales, g.Add("view", {{"x", g.AddInput("y", DType::kFloat32, {3, 1})}}, {{"shape", {3}}})));
  Becomes(
      "view = view(x=y) {shape=[3]} : float32[3]\n"
      "scatter_update_ = scatter_update_(self=&scales, indices=slots, updates=view) {axis=1, index_mode=slot}\n",
      "scatter_update: scatter_update and write-back: fused into scatter_update_\n");
}
TEST_F(Fusing, Static) {
  const Value q = g.Add("quantize", {{"x", x}, {"quant_scales", row}}, {{"reciprocal_scale", true}}, "q");
  Write(var, q);
  Becomes(
      "quant_scatter_ = quant_scatter_(self=&var, indices=slots, updates=x, quant_scales=row) {axis=1, "
      "reciprocal_scale=true, index_mode=slot}\n",
      "q: quantize: fused into quant_scatter_\n");
}
TEST_F(Fusing, StaticOfANewTensor) {
  const Value bytes = g.AddInput("bytes", DType::kUInt8, {2, 4, 8});
  const Value q = g.Add("quantize", {{"x", x}, {"quant_scales", row}, {"quant_zero_points", row}},
                        {{"dst_type", "hifloat8"}, {"round_mode", "hybrid"}, {"axis", 1}}, "q");
  const Value out = Scattered(bytes, q);
  g.AddOutput("out", g.Add("view", {{"x", out}}, {{"shape", {64}}}));
  Becomes(
      "quant_scatter = quant_scatter(self=bytes, indices=slots, updates=x, quant_scales=row, quant_zero_points=row) "
      "{dst_type=hifloat8, axis=1, round_mode=hybrid, index_mode=slot} : uint8[2, 4, 8]\n"
      "view = view(x=quant_scatter) {shape=[64]} : uint8[64]\noutput out = view\n",
      "q: quantize: fused into quant_scatter\n");
}
TEST_F(Fusing, NothingToDo) {
  g.AddOutput("y", g.Add("quantize", {{"x", x}, {"quant_scales", row}}));
  FuseReport report;
  Fuse(g, &report);
  EXPECT_EQ(report.Text(), "nothing that can be fused was seen\n");
}
TEST_F(Fusing, OldValuesAreNotThoseOfTheResult) {
  Graph fused = Fuse(g);
  fused.Add("neg", {{"x", x}});
  EXPECT_EQ(fused.status().message(), "graph: node neg: input x is a value of another graph");
}
TEST_F(Fusing, BrokenGraphsStayBroken) {
  g.Add("nothing", {});
  EXPECT_EQ(Fuse(g).status().message(), g.status().message());
}

}  // namespace
}  // namespace kvant::graph
