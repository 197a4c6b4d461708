// A graph to fuse, and what becomes of it.
#ifndef KVANT_GRAPH_FUSE_TEST_UTIL_H_
#define KVANT_GRAPH_FUSE_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kvant/graph/fuse.h"
#include "kvant/graph/graph.h"

namespace kvant::graph {

// Rows of 8 to slots of a cache of 2 pages with 4 positions.
class Fusing : public ::testing::Test {
 protected:
  Fusing()
      : x(g.AddInput("x", DType::kFloat32, {3, 8})),
        slots(g.AddInput("slots", DType::kInt64, {3})),
        var(g.AddInput("var", DType::kInt8, {2, 4, 8})),
        scales(g.AddInput("scales", DType::kFloat32, {2, 4})),
        offsets(g.AddInput("offsets", DType::kFloat32, {2, 4})),
        row(g.AddInput("row", DType::kFloat32, {8})) {}

  // The write of `updates` into `self`.
  void Write(const Value& self, const Value& updates, const std::vector<Attribute>& others = {}) {
    g.Add("scatter_update_", {{"self", self}, {"indices", slots}, {"updates", updates}}, Where(others));
  }
  Value Scattered(const Value& self, const Value& updates) {
    return g.Add("scatter_update", {{"self", self}, {"indices", slots}, {"updates", updates}}, Where({}));
  }
  static std::vector<Attribute> Where(const std::vector<Attribute>& others) {
    std::vector<Attribute> all = {{"axis", 1}, {"index_mode", "slot"}};
    all.insert(all.end(), others.begin(), others.end());
    return all;
  }
  Node Quant(const std::vector<Attribute>& attributes = {{"symmetric", true}}) {
    return g.Add("dynamic_quant", {{"x", x}}, attributes, "q");
  }
  // The nodes of the fused graph, and of the report.
  std::string Nodes(std::string* report = nullptr) {
    EXPECT_TRUE(g.status().ok()) << g.status().message();
    FuseReport found;
    const std::string text = Fuse(g, &found).Dump();
    if (report != nullptr) *report = found.Text();
    std::string nodes;
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at) + 1;
      const std::string line = text.substr(at, end - at);
      if (line.find(" = input : ") == std::string::npos) nodes += line;
      at = end;
    }
    return nodes;
  }
  void Becomes(const std::string& nodes, const std::string& report) {
    std::string said;
    EXPECT_EQ(Nodes(&said), nodes);
    EXPECT_EQ(said, report);
  }
  void IsLeft(const std::string& reason, const std::string& found = "q: dynamic_quant") {
    const std::string before = g.Dump();
    FuseReport report;
    EXPECT_EQ(Fuse(g, &report).Dump(), before);
    EXPECT_EQ(report.Text(), found + ": left as it is: " + reason + "\n");
  }

  Graph g;
  const Value x, slots, var, scales, offsets, row;
  const std::string kDynamic = "q: dynamic_quant: fused into dynamic_quant_update_scatter_\n";
};

}  // namespace kvant::graph

#endif  // KVANT_GRAPH_FUSE_TEST_UTIL_H_
