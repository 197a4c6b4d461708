// A node of a graph against a call of its operator.
#ifndef KVANT_GRAPH_OPS_TEST_UTIL_H_
#define KVANT_GRAPH_OPS_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "kvant/graph/graph.h"
#include "kvant/graph/run.h"
#include "kvant/ops/ops.h"
#include "kvant/testing/tensors.h"

namespace kvant::graph {

using testing::Layout;
using testing::Rng;
using testing::Shape;
using testing::TestTensor;

using Tensors = std::map<std::string, TestTensor>;

class Ops : public ::testing::Test {
 protected:
  void In(const std::string& name, DType dtype, const Shape& shape, Layout layout = Layout::kStridedInput) {
    in_.insert_or_assign(name, TestTensor(dtype, shape, layout, rng_));
  }
  void Floats(const std::string& name, DType dtype, const Shape& shape) {
    In(name, dtype, shape);
    std::vector<float> values(static_cast<size_t>(in_.at(name).elements()));
    for (float& v : values) v = static_cast<float>(testing::Uniform(rng_, -1000, 1000)) / 64;
    in_.at(name).SetFloats(values);
  }
  void Integers(const std::string& name, DType dtype, const std::vector<int64_t>& values) {
    In(name, dtype, {static_cast<int64_t>(values.size())}, Layout::kStrided);
    for (size_t i = 0; i < values.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      dtype == DType::kInt64 ? in_.at(name).Set(at, values[i]) : in_.at(name).Set(at, static_cast<int32_t>(values[i]));
    }
  }

  using Direct = std::function<Status(Tensors& in, Tensors& out)>;
  // A node with these inputs has results of these names and bytes, and leaves these bytes in its inputs.
  void Same(const std::string& op, const std::vector<Attribute>& attributes, const std::vector<std::string>& results,
            const Direct& direct) {
    Graph g;
    std::vector<Argument> arguments;
    for (auto& [name, t] : in_) arguments.push_back({name, g.AddInput(name, t.dtype(), t.shape(), t.strides())});
    const Node node = g.Add(op, arguments, attributes);
    Tensors out;
    for (const std::string& name : results) {
      g.AddOutput("result." + name, node[name]);
      ASSERT_TRUE(g.status().ok()) << g.status().message();
      const auto spec = g.Spec(node[name]);
      out.insert_or_assign(name, TestTensor(spec->dtype, Shape(spec->dims().begin(), spec->dims().end()), rng_));
    }
    Tensors ours = in_;
    std::vector<Binding> bindings;
    for (auto& [name, t] : ours) bindings.emplace_back(name, t.view());
    std::vector<Tensor> outputs;
    const Status status = graph::Run(g, bindings, &outputs);
    ASSERT_TRUE(status.ok()) << status.message();
    const Status called = direct(in_, out);
    ASSERT_TRUE(called.ok()) << called.message();
    ASSERT_EQ(outputs.size(), results.size());
    for (size_t i = 0; i < results.size(); ++i) {
      TestTensor& expected = out.at(results[i]);
      const auto* bytes = static_cast<const uint8_t*>(outputs[i].view().data());
      EXPECT_EQ(std::vector<uint8_t>(bytes, bytes + expected.elements() * ByteSize(expected.dtype())), expected.Bytes())
          << op << " " << results[i];
    }
    for (auto& [name, t] : in_) EXPECT_EQ(ours.at(name).Bytes(), t.Bytes()) << op << " " << name;
  }

  Rng rng_{7};
  Tensors in_;
};

}  // namespace kvant::graph

#endif  // KVANT_GRAPH_OPS_TEST_UTIL_H_
