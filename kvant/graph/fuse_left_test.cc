// Each reason why something is not fused.
#include "kvant/graph/fuse_test_util.h"

namespace kvant::graph {
namespace {

TEST_F(Fusing, LeftForOtherReaders) {
  const Node q = Quant();
  g.Add("neg", {{"x", q["scale"]}}, {}, "reader");
  Write(var, q["y"]);
  Write(scales, q["scale"]);
  IsLeft("the scale should have one reader, a scatter_update, and is read by reader and scatter_update_2");
}
TEST_F(Fusing, LeftForOutputs) {
  const Node q = Quant();
  const Value seen = g.Add("view", {{"x", q["y"]}}, {{"shape", {3, 8}}});
  Write(var, seen);
  Write(scales, q["scale"]);
  g.AddOutput("codes", seen);
  IsLeft("the codes should have one reader, a scatter_update, and is read by scatter_update_ and output codes");
}
TEST_F(Fusing, LeftForWhatNobodyReads) {
  Write(var, Quant()["y"]);
  IsLeft("the scale should have one reader, a scatter_update, and is read by nothing");
}
TEST_F(Fusing, LeftForReadersThatAreNoWrites) {
  const Node q = Quant();
  g.AddOutput("x2", g.Add("dequantize", {{"y", q["y"]}, {"scale", q["scale"]}}, {}, "back"));
  IsLeft("the codes is read by back, which is neither a write nor a view");
}
TEST_F(Fusing, LeftForNegatedScales) {
  const Node q = Quant();
  Write(var, q["y"]);
  Write(scales, g.Add("neg", {{"x", q["scale"]}}));
  IsLeft("codes or scales are negated");
}
TEST_F(Fusing, LeftForFormats) {
  const Value bytes = g.AddInput("bytes", DType::kFloat8E5M2, {2, 4, 8});
  const Node q = Quant({{"symmetric", true}, {"dst_type", 35}});
  Write(bytes, q["y"]);
  Write(scales, q["scale"]);
  IsLeft("dst_type is float8_e5m2, and only int8 and int4 are fused");
}
TEST_F(Fusing, LeftForQuantModes) {
  Write(var, Quant({{"quant_mode", "pertensor"}})["y"]);
  IsLeft("quant_mode is pertensor, and only pertoken is fused");
}
TEST_F(Fusing, LeftForExperts) {
  const Value experts = g.AddInput("experts", DType::kFloat32, {2, 8}), ends = g.AddInput("ends", DType::kInt64, {2});
  const Node q =
      g.Add("dynamic_quant", {{"x", x}, {"smooth_scales", experts}, {"group_index", ends}}, {{"symmetric", true}}, "q");
  Write(var, q["y"]);
  Write(scales, q["scale"]);
  IsLeft("it has expert groups (group_index)");
}
TEST_F(Fusing, LeftForIndices) {
  const Value others = g.AddInput("others", DType::kInt64, {3});
  const Node q = Quant();
  Write(var, q["y"]);
  g.Add("scatter_update_", {{"self", scales}, {"indices", others}, {"updates", q["scale"]}}, Where({}));
  IsLeft("the indices differ: slots and others");
}
TEST_F(Fusing, LeftForPolicies) {
  const Node q = Quant();
  Write(var, q["y"]);
  Write(scales, q["scale"], {{"index_policy", "skip"}});
  IsLeft("the index modes or policies differ");
}
TEST_F(Fusing, LeftForAxes) {
  const Value cube = g.AddInput("cube", DType::kInt8, {2, 4, 4, 8}),
              lines = g.AddInput("lines", DType::kFloat32, {2, 4, 4});
  const Value rows = g.AddInput("rows", DType::kFloat32, {3, 4, 8});
  const Node q = g.Add("dynamic_quant", {{"x", rows}}, {{"symmetric", true}}, "q");
  g.Add("scatter_update_", {{"self", cube}, {"indices", slots}, {"updates", q["y"]}},
        {{"axis", 1}, {"index_mode", "slot"}});
  g.Add("scatter_update_", {{"self", lines}, {"indices", slots}, {"updates", q["scale"]}},
        {{"axis", -1}, {"index_mode", "slot"}});
  IsLeft("the axis differs: 1 and 2");
}
TEST_F(Fusing, LeftForNewTensors) {
  const Node q = Quant();
  g.AddOutput("codes", Scattered(var, q["y"]));
  g.AddOutput("scale", Scattered(scales, q["scale"]));
  IsLeft("the writes give new tensors, and nothing writes them back");
}
TEST_F(Fusing, LeftForSomeNewTensors) {
  const Node q = Quant();
  Write(var, q["y"]);
  g.AddOutput("scale", Scattered(scales, q["scale"]));
  IsLeft("some writes are in place and others are not");
}
TEST_F(Fusing, LeftForTablesOfOtherPlaces) {
  const Value others = g.AddInput("others", DType::kFloat32, {4, 2});
  const Node q = Quant();
  Write(var, q["y"]);
  Write(others, q["scale"]);
  IsLeft("a table of shape [4, 2] does not belong to codes of [2, 4, 8]");
}
TEST_F(Fusing, LeftForRowsThatAreTakenApart) {
  const Value half = g.AddInput("half", DType::kInt8, {2, 4, 2, 4});
  const Node q = Quant();
  Write(half, g.Add("view", {{"x", q["y"]}}, {{"shape", {3, 2, 4}}}, "cut"));
  Write(scales, q["scale"]);
  IsLeft("cut takes rows apart");
}
TEST_F(Fusing, LeftForOneTable) {
  const Node q = Quant({});
  Write(var, q["y"]);
  Write(scales, q["scale"]);
  Write(scales, q["offset"]);
  IsLeft("dynamic_quant_update_scatter_: var_scale and var_offset share memory");
}
TEST_F(Fusing, LeftForTablesThatAreInputs) {
  const Value seen = g.Add("view", {{"x", scales}}, {{"shape", {8}}});
  const Node q = g.Add("dynamic_quant", {{"x", x}, {"smooth_scales", seen}}, {{"symmetric", true}}, "q");
  Write(var, q["y"]);
  Write(scales, q["scale"]);
  IsLeft("dynamic_quant_update_scatter_: smooth_scales and var_scale share memory");
}
TEST_F(Fusing, LeftForReadsInBetween) {
  const Node q = Quant();
  Write(scales, q["scale"]);
  g.AddOutput("now", g.Add("neg", {{"x", g.Add("view", {{"x", scales}}, {{"shape", {8}}})}}, {}, "look"));
  Write(var, q["y"]);
  IsLeft("a cache is used in between, by look");
}
TEST_F(Fusing, LeftForWritesInBetween) {
  const Node q = Quant();
  Write(scales, q["scale"]);
  const Value cells = g.Add("view", {{"x", slots}}, {{"shape", {1, 3}}});
  const Value at = g.AddInput("at", DType::kInt32, {1}), one = g.AddInput("one", DType::kInt64, {1, 1});
  g.Add("scatter_update_", {{"self", cells}, {"indices", at}, {"updates", one}}, {{"axis", 1}, {"index_mode", "batch"}},
        "move");
  Write(var, q["y"]);
  IsLeft("slots is written in between, by move");
}
TEST_F(Fusing, LeftForStrides) {
  const Value columns = g.AddInput("columns", DType::kUInt8, {2, 4, 4}, {16, 1, 4});
  const Node q = Quant({{"symmetric", true}, {"dst_type", "int4"}});
  Write(columns, q["y"]);
  Write(scales, q["scale"]);
  IsLeft("dynamic_quant_update_scatter_: var.stride(-1) is 4, expected 1: int4 is packed along it");
}
TEST_F(Fusing, LeftForCopies) {
  const Value t = g.AddInput("t", DType::kFloat32, {3, 1, 2, 4}, {8, 8, 1, 2});
  const Value q = g.Add("quantize", {{"x", t}, {"quant_scales", g.AddInput("s", DType::kFloat32, {1})}}, {}, "q");
  const Value heads = g.AddInput("heads", DType::kInt8, {2, 4, 8, 1});
  g.Add("scatter_update_",
        {{"self", heads}, {"indices", slots}, {"updates", g.Add("view", {{"x", q}}, {{"shape", {3, 8, 1}}}, "cut")}},
        Where({}));
  IsLeft("cut takes rows apart", "q: quantize");
}
TEST_F(Fusing, LeftForViewsThatWouldCopy) {
  const Value t = g.AddInput("t", DType::kFloat32, {3, 2, 8}, {8, 24, 1});
  const Value q = g.Add("quantize", {{"x", t}, {"quant_scales", row}}, {}, "q");
  const Value heads = g.AddInput("heads", DType::kInt8, {8, 4, 8}), six = g.AddInput("six", DType::kInt64, {6});
  g.Add("scatter_update_",
        {{"self", heads}, {"indices", six}, {"updates", g.Add("view", {{"x", q}}, {{"shape", {6, 8}}})}}, Where({}));
  IsLeft("view: x of shape [3, 2, 8] and strides [8, 24, 1] cannot be seen as [6, 8] without a copy", "q: quantize");
}
TEST_F(Fusing, LeftForInt4WithGivenScales) {
  const Value q = g.Add("quantize", {{"x", x}, {"quant_scales", row}}, {{"dst_type", "int4"}}, "q");
  Write(g.AddInput("bytes", DType::kUInt8, {2, 4, 4}), q);
  IsLeft("dst_type is int4, which quant_scatter does not have", "q: quantize");
}
TEST_F(Fusing, LeftForScalesOfRows) {
  const Value q =
      g.Add("quantize", {{"x", x}, {"quant_scales", g.AddInput("s", DType::kFloat32, {3})}}, {{"axis", 0}}, "q");
  Write(var, q);
  IsLeft("the scales are along dimension 0, and only the last one is fused", "q: quantize");
}
TEST_F(Fusing, LeftForWriteBacksWithOtherReaders) {
  const Value out = Scattered(scales, g.AddInput("y", DType::kFloat32, {3}));
  g.WriteBack(scales, out);
  g.AddOutput("out", out);
  IsLeft(
      "scatter_update should have one reader, the write-back to scales, and is read by output out and the write-back "
      "to scales",
      "scatter_update: scatter_update and write-back");
}
TEST_F(Fusing, LeftForCachesThatAreUsedAfterwards) {
  g.WriteBack(scales, Scattered(scales, g.AddInput("y", DType::kFloat32, {3})));
  g.Add("neg", {{"x", scales}}, {}, "old");
  IsLeft("the cache is used afterwards, by old", "scatter_update: scatter_update and write-back");
}
TEST_F(Fusing, LeftForCachesThatAreReturned) {
  g.WriteBack(scales, Scattered(scales, g.AddInput("y", DType::kFloat32, {3})));
  g.AddOutput("old", scales);
  IsLeft("the cache is used afterwards, by output old", "scatter_update: scatter_update and write-back");
}

}  // namespace
}  // namespace kvant::graph
