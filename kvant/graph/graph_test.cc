// Building: names, values, attributes and the operators' rules, each error with its exact text.
#include "kvant/graph/graph.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace kvant::graph {
namespace {

constexpr StatusCode kValue = StatusCode::kInvalidValue, kType = StatusCode::kInvalidType;

class Building : public ::testing::Test {
 protected:
  Building()
      : x_(g_.AddInput("x", DType::kFloat16, {2, 8})),
        slots_(g_.AddInput("slots", DType::kInt64, {2})),
        cache_(g_.AddInput("cache", DType::kInt8, {2, 4, 8})) {}

  void Fails(StatusCode code, const std::string& text, const std::function<void(Graph&)>& add) {
    add(g_);
    EXPECT_EQ(g_.status().code(), code);
    EXPECT_EQ(g_.status().message(), "graph: " + text);
    EXPECT_EQ(g_.Dump(), "error: graph: " + text + "\n");
    const std::string first = g_.status().message();
    g_.Add("no_such_operator", {});  // does nothing any more
    EXPECT_EQ(g_.status().message(), first);
  }
  void FailsToAdd(const std::string& text, const std::string& op, const std::vector<Argument>& inputs,
                  const std::vector<Attribute>& attributes = {}, StatusCode code = kValue) {
    Fails(code, "node q: " + text, [&](Graph& g) { g.Add(op, inputs, attributes, "q"); });
  }

  Graph g_;
  const Value x_, slots_, cache_;
};

TEST_F(Building, UnknownOperator) {
  FailsToAdd(
      "no operator is called dynamic_quantize; there are: counts_from_ends, dequant_swiglu_quant, dequantize, "
      "dequantize_gather, dynamic_quant, dynamic_quant_update_scatter_, ends_from_counts, neg, pack_int4, "
      "params_from_amax, params_from_minmax, quant_scatter, quant_scatter_, quantize, quantize_with_params, row_amax, "
      "row_minmax, scatter_update, scatter_update_, unpack_int4, view",
      "dynamic_quantize", {{"x", x_}});
}
TEST_F(Building, UnknownInput) {
  FailsToAdd("dynamic_quant has no input y; its inputs: x, smooth_scales (optional), group_index (optional)",
             "dynamic_quant", {{"y", x_}});
}
TEST_F(Building, MissingInput) {
  FailsToAdd("input x is missing; the inputs of dynamic_quant: x, smooth_scales (optional), group_index (optional)",
             "dynamic_quant", {});
}
TEST_F(Building, AnAbsentValueIsMissing) {
  FailsToAdd("input x is missing; the inputs of neg: x", "neg", {{"x", Value()}});
}
TEST_F(Building, InputTwice) { FailsToAdd("input x is given twice", "neg", {{"x", x_}, {"x", x_}}); }
TEST_F(Building, UnknownAttribute) {
  FailsToAdd(
      "dynamic_quant has no attribute is_symmetrical; its attributes: dst_type, symmetric, quant_mode, group_size, "
      "dst_type_max",
      "dynamic_quant", {{"x", x_}}, {{"is_symmetrical", true}});
}
TEST_F(Building, NoAttributes) {
  FailsToAdd("neg has no attribute axis; its attributes: none", "neg", {{"x", x_}}, {{"axis", 1}});
}
TEST_F(Building, AttributeTwice) {
  FailsToAdd("attribute group_size is given twice", "dynamic_quant", {{"x", x_}},
             {{"group_size", 4}, {"group_size", 4}});
}
TEST_F(Building, MissingAttribute) {
  FailsToAdd("attribute shape is missing; the attributes of view: shape", "view", {{"x", x_}});
}

TEST_F(Building, AttributesOfAnotherType) {
  struct Case {
    const char* text;
    const char* op;
    Attribute attribute;
  };
  const Case cases[] = {
      {"attribute symmetric is 1, expected true or false", "dynamic_quant", {"symmetric", 1}},
      {"attribute group_size is big, expected an integer", "dynamic_quant", {"group_size", "big"}},
      {"attribute group_size is 4.5, expected an integer", "dynamic_quant", {"group_size", 4.5}},
      {"attribute dst_type_max is true, expected a number", "dynamic_quant", {"dst_type_max", true}},
      {"attribute dst_type is int5, expected int8, int4, float8_e4m3fn, float8_e5m2 or hifloat8, or the graph code 2, "
       "29, 36, 35 or 34",
       "dynamic_quant",
       {"dst_type", "int5"}},
      {"attribute dst_type is 1, expected int8, int4, float8_e4m3fn, float8_e5m2 or hifloat8, or the graph code 2, 29, "
       "36, 35 or 34",
       "dynamic_quant",
       {"dst_type", 1}},
      {"attribute quant_mode is [1, 2], expected pertoken, pertensor or perchannel",
       "dynamic_quant",
       {"quant_mode", {1, 2}}},
      {"attribute axis is 4294967296, expected an integer of 32 bits", "quantize", {"axis", int64_t{1} << 32}},
      {"attribute round_mode is floor, expected rint, round or hybrid", "quantize", {"round_mode", "floor"}},
      {"attribute dtype is float64, expected float16, bfloat16, float32, int8, uint8, int32, int64, float8_e4m3fn or "
       "float8_e5m2",
       "dequantize",
       {"dtype", "float64"}},
      {"attribute quant_mode is 2, expected static or dynamic, or the number 0 or 1",
       "dequant_swiglu_quant",
       {"quant_mode", 2}},
      {"attribute swiglu_mode is 3, expected 0, 1 or 2", "dequant_swiglu_quant", {"swiglu_mode", 3}},
      {"attribute shape is 16, expected a list of integers", "view", {"shape", 16}},
  };
  for (const Case& c : cases) {
    Graph g;
    const Value x = g.AddInput("x", DType::kFloat32, {2, 8});
    const bool dequantizes = c.op == std::string("dequantize");
    std::vector<Argument> inputs = {{dequantizes ? "y" : "x", x}};
    if (dequantizes) inputs.push_back({"scale", x});
    if (c.op == std::string("quantize")) inputs.push_back({"quant_scales", x});
    g.Add(c.op, inputs, {c.attribute}, "q");
    EXPECT_EQ(g.status().code(), kValue);
    EXPECT_EQ(g.status().message(), std::string("graph: node q: ") + c.text);
  }
}

TEST_F(Building, RulesOfTheOperators) {
  FailsToAdd("dynamic_quant: group_size is 5, which does not divide x.shape[-1] = 8", "dynamic_quant", {{"x", x_}},
             {{"group_size", 5}});
}
TEST_F(Building, DTypesOfTheOperators) {
  FailsToAdd("dynamic_quant: x is int8, expected float16, bfloat16 or float32", "dynamic_quant", {{"x", cache_}}, {},
             kType);
}
TEST_F(Building, IndexModeHasToBeGiven) {
  FailsToAdd("scatter_update_: index_mode is missing, expected batch, pair or slot", "scatter_update_",
             {{"self", cache_}, {"indices", slots_}, {"updates", cache_}});
}
TEST_F(Building, InPlaceNodesKeepWhatTheyWriteApart) {
  FailsToAdd("scatter_update_: updates and self share memory", "scatter_update_",
             {{"self", cache_}, {"indices", slots_}, {"updates", cache_}}, {{"index_mode", "batch"}, {"axis", 1}});
}
TEST_F(Building, ViewsAreOfTheSameMemory) {
  const Value of = g_.Add("view", {{"x", cache_}}, {{"shape", {2, 4, 8}}});
  FailsToAdd("scatter_update_: updates and self share memory", "scatter_update_",
             {{"self", cache_}, {"indices", slots_}, {"updates", of}}, {{"index_mode", "batch"}, {"axis", 1}});
}
TEST_F(Building, ReadOnlyUsesMayShare) {
  g_.Add("scatter_update", {{"self", cache_}, {"indices", slots_}, {"updates", cache_}},
         {{"index_mode", "batch"}, {"axis", 1}});
  EXPECT_TRUE(g_.status().ok()) << g_.status().message();
}
TEST_F(Building, NegOfIntegers) {
  FailsToAdd("neg: x is int8, expected float16, bfloat16 or float32", "neg", {{"x", cache_}}, {}, kType);
}
TEST_F(Building, ViewOfOtherElements) {
  FailsToAdd("view: shape is [3, 5], of 15 elements, but x has shape [2, 8], of 16", "view", {{"x", x_}},
             {{"shape", {3, 5}}});
}
TEST_F(Building, ViewOfNegativeSizes) {
  FailsToAdd("view: shape is [2, -1], a size cannot be negative", "view", {{"x", x_}}, {{"shape", {2, -1}}});
}
TEST_F(Building, ViewOfHugeSizes) {
  FailsToAdd("view: shape is [4611686018427387904, 16], of 9223372036854775807 elements, but x has shape [2, 8], of 16",
             "view", {{"x", x_}}, {{"shape", {int64_t{1} << 62, 16}}});
}
TEST_F(Building, ViewOfTooManyDimensions) {
  FailsToAdd("view: shape has 33 dimensions, at most 32 are supported", "view", {{"x", x_}},
             {{"shape", std::vector<int64_t>(33, 1)}});
}
TEST_F(Building, ViewThatWouldCopy) {
  const Value t = g_.AddInput("t", DType::kFloat32, {2, 8}, {1, 2});
  FailsToAdd("view: x of shape [2, 8] and strides [1, 2] cannot be seen as [16] without a copy", "view", {{"x", t}},
             {{"shape", {16}}});
}
TEST_F(Building, ResultsThatAreTooLarge) {
  const Value wide = g_.AddInput("wide", DType::kInt8, {int64_t{1} << 46, 2}, {0, 1});
  const Value scale = g_.AddInput("scale", DType::kFloat32, {int64_t{1} << 46}, {0});
  FailsToAdd("dequantize: x would have shape [70368744177664, 2], of more than 2^48 bytes", "dequantize",
             {{"y", wide}, {"scale", scale}});
}

TEST_F(Building, ValuesOfAnotherGraph) {
  Graph other;
  const Value theirs = other.AddInput("x", DType::kFloat16, {2, 8});
  FailsToAdd("input x is a value of another graph", "dynamic_quant", {{"x", theirs}});
}
TEST_F(Building, ResultsThatThereAreNot) {
  const Node q = g_.Add("dynamic_quant", {{"x", x_}}, {{"symmetric", true}}, "first");
  FailsToAdd("input x is result offset of node first, whose results: y, scale", "neg", {{"x", q["offset"]}});
}
TEST_F(Building, OneOfSeveralResults) {
  const Node q = g_.Add("dynamic_quant", {{"x", x_}}, {}, "first");
  FailsToAdd("input x is node first, which has several results, name one of them: y, scale, offset", "neg", {{"x", q}});
}
TEST_F(Building, ResultsOfNodesInPlace) {
  const Value codes = g_.AddInput("codes", DType::kInt8, {2, 8});
  const Node w = g_.Add("scatter_update_", {{"self", cache_}, {"indices", slots_}, {"updates", codes}},
                        {{"index_mode", "slot"}}, "w");
  FailsToAdd("input x is node w, which has no results: it writes its inputs", "neg", {{"x", w}});
}

TEST_F(Building, Names) {
  Fails(kValue, "node x: there is already an input or a node of this name", [&](Graph& g) {
    g.Add("neg", {{"x", x_}}, {}, "x");
  });
}
TEST_F(Building, NamesOfInputs) {
  g_.Add("neg", {{"x", x_}}, {}, "minus");
  Fails(kValue, "input minus: there is already an input or a node of this name",
        [](Graph& g) { g.AddInput("minus", DType::kInt8, {1}); });
}
TEST_F(Building, CharactersOfNames) {
  Fails(kValue, "the name of a node is 'a b', expected letters, digits and _ . / -", [&](Graph& g) {
    g.Add("neg", {{"x", x_}}, {}, "a b");
  });
}
TEST_F(Building, EmptyNames) {
  Fails(kValue, "the name of an input is '', expected letters, digits and _ . / -",
        [](Graph& g) { g.AddInput("", DType::kInt8, {1}); });
}
TEST_F(Building, InputsOfNegativeSizes) {
  Fails(kValue, "input t has shape [2, -1], a size cannot be negative", [](Graph& g) {
    g.AddInput("t", DType::kInt8, {2, -1});
  });
}
TEST_F(Building, InputsOfTooManyDimensions) {
  Fails(kValue, "input t has 33 dimensions, at most 32 are supported",
        [](Graph& g) { g.AddInput("t", DType::kInt8, std::vector<int64_t>(33, 1)); });
}
TEST_F(Building, InputsOfOtherStrides) {
  Fails(kValue, "input t has shape [2, 3], but strides [1]", [](Graph& g) {
    g.AddInput("t", DType::kInt8, {2, 3}, {1});
  });
}
TEST_F(Building, InputsThatAreTooLarge) {
  Fails(kValue, "input t has shape [2] and strides [-9223372036854775807], of more than 2^48 bytes",
        [](Graph& g) { g.AddInput("t", DType::kInt8, {2}, {-INT64_MAX}); });
}
TEST_F(Building, InputsWhoseSizeDoesNotFit64Bits) {
  Fails(kValue,
        "input t has shape [1099511627776, 1099511627776] and strides [1099511627776, 1], of more than 2^48 bytes",
        [](Graph& g) {
          g.AddInput("t", DType::kInt8, {int64_t{1} << 40, int64_t{1} << 40});
        });
}
TEST_F(Building, OutputsTwice) {
  g_.AddOutput("y", x_);
  Fails(kValue, "output y: there is already an input or an output of this name",
        [&](Graph& g) { g.AddOutput("y", x_); });
}
TEST_F(Building, OutputsNamedLikeInputs) {
  Fails(kValue, "output x: there is already an input or an output of this name",
        [&](Graph& g) { g.AddOutput("x", x_); });
}
TEST_F(Building, OutputsOfNothing) {
  Fails(kValue, "output y has no value", [](Graph& g) { g.AddOutput("y", Value()); });
}
TEST_F(Building, OutputsOfOtherGraphs) {
  Graph other;
  const Value theirs = other.AddInput("x", DType::kFloat16, {2, 8});
  Fails(kValue, "output y is a value of another graph", [&](Graph& g) { g.AddOutput("y", theirs); });
}
TEST_F(Building, WriteBackToWhatIsNoInput) {
  const Value minus = g_.Add("neg", {{"x", x_}});
  Fails(kValue, "what is written back to is no input", [&](Graph& g) { g.WriteBack(minus, minus); });
}
TEST_F(Building, WriteBackOfInputs) {
  const Value seen = g_.Add("view", {{"x", x_}}, {{"shape", {16}}}, "seen");
  const Value y = g_.AddInput("y", DType::kFloat16, {16});
  Fails(kValue, "what is written back to y is seen, which is an input or a view of one",
        [&](Graph& g) { g.WriteBack(y, seen); });
}
TEST_F(Building, WriteBackOfAnotherType) {
  const Value minus = g_.Add("neg", {{"x", x_}});
  Fails(kType, "what is written back to cache is float16, expected int8",
        [&](Graph& g) { g.WriteBack(cache_, minus); });
}
TEST_F(Building, WriteBackOfAnotherShape) {
  const Value flat = g_.Add("view", {{"x", g_.Add("neg", {{"x", x_}})}}, {{"shape", {16}}});
  Fails(kValue, "what is written back to x has shape [16], expected [2, 8]", [&](Graph& g) { g.WriteBack(x_, flat); });
}
TEST_F(Building, WriteBackTwice) {
  const Value minus = g_.Add("neg", {{"x", x_}});
  g_.WriteBack(x_, minus);
  Fails(kValue, "what is written back to x is given twice", [&](Graph& g) { g.WriteBack(x_, minus); });
}

TEST_F(Building, KnowsShapes) {
  const Node q = g_.Add("dynamic_quant", {{"x", x_}}, {{"dst_type", 29}, {"group_size", 4}});
  const auto y = g_.Spec(q["y"]), scale = g_.Spec(q["scale"]);
  ASSERT_TRUE(y.has_value() && scale.has_value());
  EXPECT_EQ(y->dtype, DType::kUInt8);
  EXPECT_EQ(std::vector<int64_t>(y->dims().begin(), y->dims().end()), (std::vector<int64_t>{2, 4}));
  EXPECT_EQ(scale->dtype, DType::kFloat32);
  EXPECT_EQ(std::vector<int64_t>(scale->dims().begin(), scale->dims().end()), (std::vector<int64_t>{2, 2}));
  EXPECT_FALSE(g_.Spec(Value()).has_value());
  EXPECT_FALSE(Graph().Spec(x_).has_value());
}

}  // namespace
}  // namespace kvant::graph
