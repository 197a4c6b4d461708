// Finds sequences of operators that kvant has fused operators for.
#ifndef KVANT_GRAPH_FUSE_H_
#define KVANT_GRAPH_FUSE_H_

#include <string>
#include <vector>

#include "kvant/graph/graph.h"

namespace kvant::graph {

// One place that was looked at.
struct FuseEntry {
  std::string found;   // the operator
  std::string node;    // its node
  std::string fused;   // into what; empty where it was left as it is
  std::string reason;  // why it was left
};

struct FuseReport {
  std::vector<FuseEntry> entries;

  // A line for each.
  std::string Text() const;
};

// The graph with
//   dynamic_quant, then scatter_update_ of codes, scale and offset (or minus the offset; symmetric: codes and scale)
//                                                                            as dynamic_quant_update_scatter_
//   quantize, then scatter_update(_)                                         as quant_scatter(_)
//   scatter_update or quant_scatter of an input, written back to that input  as scatter_update_ or quant_scatter_,
//                                                                            also as a part of the lines above
// and views in between, wherever that changes no bit of what Run writes and returns. Everything else stays as it is,
// and the report says why. A fused operator stands where the last write was, and checks all of its arguments before it
// writes: where a run of the graph fails, the two may differ in what was written before. The graph's own values are
// not those of the result.
Graph Fuse(const Graph& graph, FuseReport* report = nullptr);

}  // namespace kvant::graph

#endif  // KVANT_GRAPH_FUSE_H_
