// The texts of a graph: they are the same on every machine.
#include <gtest/gtest.h>

#include "kvant/graph/graph.h"

namespace kvant::graph {
namespace {

// A graph with everything that the text can show.
Graph Shown() {
  Graph g;
  const Value x = g.AddInput("x", DType::kFloat16, {2, 8}, {1, 2});
  const Value slots = g.AddInput("slots", DType::kInt64, {2});
  const Value codes = g.AddInput("codes", DType::kUInt8, {2, 4, 4});
  const Value offsets = g.AddInput("offsets", DType::kFloat32, {2, 4});
  const Node q = g.Add("dynamic_quant", {{"x", x}}, {{"dst_type", Format::kInt4}, {"dst_type_max", 0.0}}, "layer.0/q");
  g.Add("scatter_update_", {{"self", codes}, {"indices", slots}, {"updates", q["y"]}}, {{"index_mode", "slot"}});
  const Value minus = g.Add("neg", {{"x", q["offset"]}});
  const Value out = g.Add("scatter_update", {{"self", offsets}, {"indices", slots}, {"updates", minus}},
                          {{"axis", 1}, {"index_mode", "slot"}, {"index_policy", "skip"}});
  g.Add("neg", {{"x", minus}});
  g.AddOutput("scale", g.Add("view", {{"x", q["scale"]}}, {{"shape", {2, 1}}}));
  g.WriteBack(offsets, out);
  return g;
}

TEST(Text, Dump) {
  EXPECT_EQ(Shown().Dump(),
            "x = input : float16[2, 8] strides [1, 2]\n"
            "slots = input : int64[2]\n"
            "codes = input : uint8[2, 4, 4]\n"
            "offsets = input : float32[2, 4]\n"
            "layer.0/q = dynamic_quant(x=x) {dst_type=int4} : y uint8[2, 4], scale float32[2], offset float32[2]\n"
            "scatter_update_ = scatter_update_(self=&codes, indices=slots, updates=layer.0/q.y) {index_mode=slot}\n"
            "neg = neg(x=layer.0/q.offset) : float32[2]\n"
            "scatter_update = scatter_update(self=offsets, indices=slots, updates=neg) {axis=1, index_mode=slot, "
            "index_policy=skip} : float32[2, 4]\n"
            "neg2 = neg(x=neg) : float32[2]\n"
            "view = view(x=layer.0/q.scale) {shape=[2, 1]} : float32[2, 1]\n"
            "output scale = view\n"
            "write back offsets = scatter_update\n");
}

TEST(Text, Dot) {
  EXPECT_EQ(Shown().ToDot(),
            R"(digraph kvant {
  node [shape=box];
  "x" [label="x\nfloat16[2, 8] strides [1, 2]", shape=ellipse];
  "slots" [label="slots\nint64[2]", shape=ellipse];
  "codes" [label="codes\nuint8[2, 4, 4]", shape=ellipse];
  "offsets" [label="offsets\nfloat32[2, 4]", shape=ellipse];
  "layer.0/q" [label="layer.0/q\ndynamic_quant\ndst_type=int4"];
  "x" -> "layer.0/q" [label="x"];
  "scatter_update_" [label="scatter_update_\nindex_mode=slot"];
  "codes" -> "scatter_update_" [label="self", dir=both, color=red];
  "slots" -> "scatter_update_" [label="indices"];
  "layer.0/q" -> "scatter_update_" [label="y to updates"];
  "neg" [label="neg"];
  "layer.0/q" -> "neg" [label="offset to x"];
  "scatter_update" [label="scatter_update\naxis=1\nindex_mode=slot\nindex_policy=skip"];
  "offsets" -> "scatter_update" [label="self"];
  "slots" -> "scatter_update" [label="indices"];
  "neg" -> "scatter_update" [label="updates"];
  "neg2" [label="neg2\nneg"];
  "neg" -> "neg2" [label="x"];
  "view" [label="view\nshape=[2, 1]"];
  "layer.0/q" -> "view" [label="scale to x"];
  "output scale" [label="scale", shape=ellipse];
  "view" -> "output scale" [label=""];
  "scatter_update" -> "offsets" [label="written back"];
}
)");
}

}  // namespace
}  // namespace kvant::graph
