#include "kvant/graph/fuse.h"

#include <fmt/core.h>

#include "kvant/graph/fuse_rules.h"
#include "kvant/graph/rewrite.h"

namespace kvant::graph {
namespace {

FuseEntry Entry(const NodeInfo& node, const Status& status, std::string_view into) {
  FuseEntry entry;
  entry.found = node.op->name;
  entry.node = node.name;
  (status.ok() ? entry.fused : entry.reason) = status.ok() ? std::string(into) : status.message();
  return entry;
}

std::vector<int> NodesOf(const Ir& ir, std::string_view op) {
  std::vector<int> ids;
  for (const NodeInfo& node : ir.nodes) {
    if (node.op->name == op) ids.push_back(node.id);
  }
  return ids;
}

// Rewrites a copy, which takes the place of the graph if that succeeds.
template <class Rewrite>
Status Try(Ir* ir, const Rewrite& rewrite) {
  Ir copy = *ir;
  KVANT_RETURN_IF_ERROR(rewrite(&copy));
  *ir = std::move(copy);
  return {};
}

void FuseAll(Ir* ir, std::vector<FuseEntry>* entries) {
  struct InPlace {
    int id;  // of the new node; -1: none
    FuseEntry entry;
  };
  std::vector<InPlace> in_place;
  for (const WriteBackInfo& back : std::vector<WriteBackInfo>(ir->write_backs)) {
    const int scatter = ScatterOf(*ir, back);
    if (scatter < 0) continue;
    const NodeInfo node = ir->nodes[PositionOf(*ir, scatter)];
    int id = -1;
    const Status s = Try(ir, [&](Ir* copy) { return FuseWriteBack(copy, back, scatter, &id); });
    in_place.push_back({s.ok() ? id : -1, Entry(node, s, fmt::format("{}_", node.op->name))});
    in_place.back().entry.found += " and write-back";
  }
  for (const int id : NodesOf(*ir, "dynamic_quant")) {
    const NodeInfo node = ir->nodes[PositionOf(*ir, id)];
    const Status s = Try(ir, [&](Ir* copy) { return FuseDynamic(copy, id); });
    entries->push_back(Entry(node, s, "dynamic_quant_update_scatter_"));
  }
  for (const int id : NodesOf(*ir, "quantize")) {
    const NodeInfo node = ir->nodes[PositionOf(*ir, id)];
    if (!IsWritten(*ir, node.results.front())) continue;
    std::string_view into;
    const Status s = Try(ir, [&](Ir* copy) { return FuseStatic(copy, id, &into); });
    entries->push_back(Entry(node, s, into));
  }
  // Those that became a part of something larger are no news.
  for (InPlace& scatter : in_place) {
    const bool there = scatter.id < 0 || PositionOf(*ir, scatter.id) < ir->nodes.size();
    if (there) entries->push_back(std::move(scatter.entry));
  }
}

}  // namespace

std::string FuseReport::Text() const {
  std::string text;
  for (const FuseEntry& e : entries) {
    text += fmt::format("{}: {}: {}{}\n", e.node, e.found, e.fused.empty() ? "left as it is: " : "fused into ",
                        e.fused.empty() ? e.reason : e.fused);
  }
  return text.empty() ? "nothing that can be fused was seen\n" : text;
}

Graph Fuse(const Graph& graph, FuseReport* report) {
  auto ir = std::make_unique<Ir>(graph.ir());
  FuseReport found;
  if (ir->status.ok()) FuseAll(ir.get(), &found.entries);
  if (report != nullptr) *report = std::move(found);
  return Graph(std::move(ir));
}

}  // namespace kvant::graph
