// Running: what is bound, what may share memory, what a run leaves behind when a node fails, and in which order nodes
// see one another's writes.
#include "kvant/graph/run.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kvant/testing/pools.h"
#include "kvant/testing/tensors.h"

namespace kvant::graph {
namespace {

constexpr StatusCode kValue = StatusCode::kInvalidValue, kType = StatusCode::kInvalidType;

// cache[slots] = rows, in place; minus = -cache afterwards.
class Running : public ::testing::Test {
 protected:
  Running() {
    const Value cache = g_.AddInput("cache", DType::kFloat32, {2, 2});
    const Value slots = g_.AddInput("slots", DType::kInt64, {1});
    const Value row = g_.AddInput("row", DType::kFloat32, {1});
    g_.AddOutput("before", g_.Add("neg", {{"x", cache}}));
    const Value seen = g_.Add("view", {{"x", cache}}, {{"shape", {4}}});
    g_.Add("scatter_update_", {{"self", cache}, {"indices", slots}, {"updates", row}},
           {{"axis", 1}, {"index_mode", "slot"}}, "write");
    g_.AddOutput("after", g_.Add("neg", {{"x", seen}}));
    g_.AddOutput("end", cache);
  }

  std::vector<Binding> Inputs() {
    return {{"cache", TensorView(cache_, DType::kFloat32, {2, 2})},
            {"slots", ConstTensorView(&slot_, DType::kInt64, {1})},
            {"row", ConstTensorView(&row_, DType::kFloat32, {1})}};
  }
  void Fails(StatusCode code, const std::string& text, const std::vector<Binding>& tensors, bool returned = true) {
    std::vector<Tensor> outputs;
    const Status status = graph::Run(g_, tensors, returned ? &outputs : nullptr);
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(status.message(), text);
    EXPECT_EQ(cache_[2], 3.0f) << text;
  }
  std::vector<Binding> With(size_t position, const Binding& binding) {
    std::vector<Binding> all = Inputs();
    all[position] = binding;
    return all;
  }
  static std::vector<float> Floats(const Tensor& t) {
    const auto* data = static_cast<const float*>(t.view().data());
    return {data, data + t.view().elements()};
  }

  Graph g_;
  float cache_[4] = {1, 2, 3, 4};
  int64_t slot_ = 2;
  float row_ = 9;
};

TEST_F(Running, NodesSeeWhatWasWrittenBefore) {
  std::vector<Tensor> outputs;
  const Status status = graph::Run(g_, Inputs(), &outputs);
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_EQ(outputs.size(), 3U);
  EXPECT_EQ(outputs[0].name(), "before");
  EXPECT_EQ(Floats(outputs[0]), (std::vector<float>{-1, -2, -3, -4}));
  EXPECT_EQ(Floats(outputs[1]), (std::vector<float>{-1, -2, -9, -4}));  // through the view of it
  EXPECT_EQ(Floats(outputs[2]), (std::vector<float>{1, 2, 9, 4}));
  EXPECT_EQ(cache_[2], 9.0f);
}

TEST_F(Running, SomeOutputsAreBound) {
  float after[8] = {};
  std::vector<Binding> all = Inputs();
  all.emplace_back("after", TensorView(after, DType::kFloat32, {4}, {2}));
  std::vector<Tensor> outputs;
  const Status status = graph::Run(g_, all, &outputs);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(std::vector<float>(after, after + 8), (std::vector<float>{-1, 0, -2, 0, -9, 0, -4, 0}));
  ASSERT_EQ(outputs.size(), 2U);
  EXPECT_EQ(outputs[1].name(), "end");
}

TEST_F(Running, AFailingNodeEndsTheRun) {
  slot_ = 4;
  float before[4] = {7, 7, 7, 7};
  std::vector<Binding> all = Inputs();
  all.emplace_back("before", TensorView(before, DType::kFloat32, {2, 2}));
  Fails(StatusCode::kOutOfRange,
        "graph: node write: scatter_update_: indices[0] is 4, expected 0 to 3, or -1 for padding", all);
  EXPECT_EQ(before[0], 7.0f);
}

TEST_F(Running, Unbound) {
  std::vector<Binding> all = Inputs();
  all.pop_back();
  Fails(kValue, "graph: input row is not bound", all);
}
TEST_F(Running, UnboundOutput) { Fails(kValue, "graph: output before is not bound", Inputs(), false); }
TEST_F(Running, BoundTwice) {
  std::vector<Binding> all = Inputs();
  all.push_back(all.front());
  Fails(kValue, "graph: cache is bound twice", all);
}
TEST_F(Running, BoundToNothing) {
  std::vector<Binding> all = Inputs();
  all.emplace_back("rows", ConstTensorView(&row_, DType::kFloat32, {1}));
  Fails(kValue, "graph: rows is bound, but is no input and no output", all);
}
TEST_F(Running, AnotherType) {
  Fails(kType, "graph: input slots is int32, expected int64",
        With(1, {"slots", ConstTensorView(&slot_, DType::kInt32, {1})}));
}
TEST_F(Running, AnotherShape) {
  Fails(kValue, "graph: input row has shape [1, 1], expected [1]",
        With(2, {"row", ConstTensorView(&row_, DType::kFloat32, {1, 1})}));
}
TEST_F(Running, OtherStrides) {
  Fails(kValue, "graph: input cache has strides [1, 2], expected [2, 1]",
        With(0, {"cache", TensorView(cache_, DType::kFloat32, {2, 2}, {1, 2})}));
}
TEST_F(Running, NoMemory) {
  Fails(kValue, "graph: input row has shape [1] but no memory",
        With(2, {"row", ConstTensorView(nullptr, DType::kFloat32, {1})}));
}
TEST_F(Running, Absent) { Fails(kValue, "graph: input row is missing", With(2, {"row", ConstTensorView()})); }
TEST_F(Running, ReadOnlyInput) {
  Fails(kValue, "graph: input cache is read-only, but node write writes it",
        With(0, {"cache", ConstTensorView(cache_, DType::kFloat32, {2, 2})}));
}
TEST_F(Running, ReadOnlyOutput) {
  std::vector<Binding> all = Inputs();
  all.emplace_back("after", ConstTensorView(cache_, DType::kFloat32, {4}));
  Fails(kValue, "graph: output after is read-only", all);
}
TEST_F(Running, WrittenInputsShareNoMemory) {
  Fails(kValue, "graph: input cache and input row share memory, and node write writes input cache",
        With(2, {"row", ConstTensorView(cache_ + 3, DType::kFloat32, {1})}));
}
TEST_F(Running, OutputsShareNoMemory) {
  std::vector<Binding> all = Inputs();
  all.emplace_back("after", TensorView(cache_, DType::kFloat32, {4}));
  Fails(kValue, "graph: input cache and output after share memory, and node write writes input cache", all);
  float once[4] = {};
  all.back() = {"after", TensorView(once, DType::kFloat32, {4})};
  all.emplace_back("end", TensorView(once, DType::kFloat32, {2, 2}));
  Fails(kValue, "graph: output after and output end share memory, and the graph writes output after", all);
}
TEST_F(Running, OutputsDoNotOverlapThemselves) {
  std::vector<Binding> all = Inputs();
  float once = 0;
  all.emplace_back("after", TensorView(&once, DType::kFloat32, {4}, {0}));
  Fails(kValue, "graph: elements of output after share memory, and the graph writes them", all);
}

TEST(RunningOthers, InputsThatAreReadMayShare) {
  Graph g;
  const Value a = g.AddInput("a", DType::kFloat32, {2}), b = g.AddInput("b", DType::kFloat32, {2});
  g.AddOutput("c", g.Add("neg", {{"x", a}}));
  g.AddOutput("d", b);
  const float x[2] = {1, 2};
  std::vector<Tensor> outputs;
  EXPECT_TRUE(
      graph::Run(g, {{"a", ConstTensorView(x, DType::kFloat32, {2})}, {"b", ConstTensorView(x, DType::kFloat32, {2})}},
                 &outputs)
          .ok());
}

TEST(RunningOthers, WriteBacksComeLast) {
  Graph g;
  const Value a = g.AddInput("a", DType::kFloat32, {2}), b = g.AddInput("b", DType::kFloat32, {2});
  g.WriteBack(a, g.Add("neg", {{"x", b}}));
  g.WriteBack(b, g.Add("neg", {{"x", a}}));
  g.AddOutput("a_before", a);
  float x[2] = {1, 2}, y[2] = {3, 4};
  const std::vector<Binding> all = {{"a", TensorView(x, DType::kFloat32, {2})},
                                    {"b", TensorView(y, DType::kFloat32, {2})}};
  std::vector<Tensor> outputs;
  ASSERT_TRUE(graph::Run(g, all, &outputs).ok());
  EXPECT_EQ(x[0], -3.0f);
  EXPECT_EQ(y[1], -2.0f);
  EXPECT_EQ(*static_cast<const float*>(outputs[0].view().data()), 1.0f);
  EXPECT_EQ(graph::Run(g, {all[0], {"b", ConstTensorView(y, DType::kFloat32, {2})}}, &outputs).message(),
            "graph: input b is read-only, but a write-back writes it");
  EXPECT_EQ(graph::Run(g, {all[0], {"b", TensorView(x + 1, DType::kFloat32, {2})}}, &outputs).message(),
            "graph: input a and input b share memory, and a write-back writes input a");
}

TEST(RunningOthers, NodesMayWriteResultsOfNodes) {
  Graph g;
  const Value x = g.AddInput("x", DType::kFloat32, {2, 2}), at = g.AddInput("at", DType::kInt32, {1});
  const Value one = g.AddInput("one", DType::kFloat32, {1});
  const Value minus = g.Add("neg", {{"x", x}});
  g.Add("scatter_update_", {{"self", minus}, {"indices", at}, {"updates", one}}, {{"axis", 1}, {"index_mode", "slot"}});
  g.AddOutput("y", minus);
  const float values[4] = {1, 2, 3, 4}, five = 5;
  const int32_t slot = 1;
  float y[4];
  ASSERT_TRUE(graph::Run(g, {{"x", ConstTensorView(values, DType::kFloat32, {2, 2})},
                             {"at", ConstTensorView(&slot, DType::kInt32, {1})},
                             {"one", ConstTensorView(&five, DType::kFloat32, {1})},
                             {"y", TensorView(y, DType::kFloat32, {2, 2})}})
                  .ok());
  EXPECT_EQ(std::vector<float>(y, y + 4), (std::vector<float>{-1, 5, -3, -4}));
}

TEST(RunningOthers, EmptyTensorsNeedNoMemory) {
  Graph g;
  const Value x = g.AddInput("x", DType::kFloat32, {0, 4});
  const Node q = g.Add("dynamic_quant", {{"x", x}});
  g.AddOutput("y", q["y"]);
  g.AddOutput("scale", g.Add("view", {{"x", q["scale"]}}, {{"shape", {3, 0}}}));
  std::vector<Tensor> outputs;
  const Status status = graph::Run(g, {{"x", ConstTensorView(nullptr, DType::kFloat32, {0, 4})}}, &outputs);
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST(RunningOthers, BrokenGraphsSayWhy) {
  Graph g;
  g.Add("nothing", {});
  EXPECT_EQ(graph::Run(g, {}).message().substr(0, 52), "graph: node nothing: no operator is called nothing; ");
}

// The caller's threads, and every target, give the same bytes.
TEST(RunningOthers, ThreadsAndTargets) {
  Graph g;
  const Value x = g.AddInput("x", DType::kFloat16, {64, 96});
  const Node q = g.Add("dynamic_quant", {{"x", x}}, {{"dst_type", "int4"}});
  g.AddOutput("x2", g.Add("dequantize", {{"y", q["y"]}, {"scale", q["scale"]}, {"offset", q["offset"]}},
                          {{"dst_type", "int4"}, {"dtype", "float16"}}));
  testing::Rng rng(3);
  testing::TestTensor values(DType::kFloat16, {64, 96}, rng);
  std::vector<uint8_t> expected;
  for (const Target target : SupportedTargets()) {
    const testing::ScopedTarget scoped(target);
    for (const ParallelFor& parallel : {SerialFor(), DefaultParallelFor()}) {
      ExecOptions exec;
      exec.parallel = &parallel;
      std::vector<Tensor> outputs;
      ASSERT_TRUE(graph::Run(g, {{"x", values.view()}}, &outputs, exec).ok());
      const auto* bytes = static_cast<const uint8_t*>(outputs[0].view().data());
      const std::vector<uint8_t> got(bytes, bytes + 64 * 96 * 2);
      if (expected.empty()) expected = got;
      EXPECT_EQ(got, expected);
    }
  }
}

}  // namespace
}  // namespace kvant::graph
