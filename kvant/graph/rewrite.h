// What rewriting a graph needs to know of it.
#ifndef KVANT_GRAPH_REWRITE_H_
#define KVANT_GRAPH_REWRITE_H_

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "kvant/core/status.h"
#include "kvant/graph/ir.h"

namespace kvant::graph {

using Ids = std::set<int>;  // of nodes

// Why a place stays as it is.
Status NotFused(std::string reason);

int ArgumentOf(const NodeInfo& node, std::string_view name);
// An attribute that is given or has a default.
const AttributeValue& AttributeOf(const NodeInfo& node, std::string_view name);
// `given` and the defaults of the others.
Call::Attributes WithDefaults(const OpDef& op, const std::vector<Attribute>& given);

size_t PositionOf(const Ir& ir, int node_id);
const std::vector<int64_t>& ShapeOf(const Ir& ir, int value);

// A scatter_update or scatter_update_.
struct Write {
  int id;
  size_t at;
  bool in_place;
  int self, indices, updates;
  int64_t axis;  // of self, from the front
  AttributeValue mode, policy;
};
bool IsWrite(const NodeInfo& node);
Write WriteOf(const Ir& ir, size_t at);

// From a result of a quantization to the write that takes it.
struct Chain {
  int source;
  std::vector<size_t> nodes;  // views and negations
  Write write;
  bool negated;
};
// `what` names the source in reasons.
Status Follow(const Ir& ir, int source, std::string_view what, std::vector<Chain>* chains);

// Who reads a value, as reasons name them; views that nobody reads do not count.
std::vector<std::string> ReadersOf(const Ir& ir, int value);
// "a and b", "nothing"
std::string ReadersText(const std::vector<std::string>& readers);

// One index, one axis, one mode, one policy, all in place.
Status CheckAgreement(const Ir& ir, const std::vector<Write>& writes);

// That the node at `begin` and the writes may become one at the place of the last write: between the two nobody but
// `own` nodes writes an input, and between the first write and the last nobody uses what is written in place. That
// these do not share memory is a rule of the fused operator.
Status CheckBetween(const Ir& ir, size_t begin, const std::vector<Write>& writes, const std::vector<int>& inputs,
                    const Ids& own);

// Removes these nodes, and views of their results that nobody reads.
void Remove(Ir* ir, const Ids& own);

}  // namespace kvant::graph

#endif  // KVANT_GRAPH_REWRITE_H_
