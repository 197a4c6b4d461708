#include "kvant/graph/rewrite.h"

#include <fmt/core.h>

#include <algorithm>

namespace kvant::graph {
namespace {

bool Reads(const NodeInfo& node, int value) {
  return std::find(node.arguments.begin(), node.arguments.end(), value) != node.arguments.end();
}

std::vector<size_t> NodesReading(const Ir& ir, int value) {
  std::vector<size_t> found;
  for (size_t i = 0; i < ir.nodes.size(); ++i) {
    const NodeInfo& node = ir.nodes[i];
    if (!Reads(node, value)) continue;
    if (node.op->is_view && ReadersOf(ir, node.results.front()).empty()) continue;
    found.push_back(i);
  }
  return found;
}

}  // namespace

Status NotFused(std::string reason) { return Status::InvalidValue(std::move(reason)); }

int ArgumentOf(const NodeInfo& node, std::string_view name) {
  return node.arguments[static_cast<size_t>(node.op->ArgumentIndex(name))];
}

const AttributeValue& AttributeOf(const NodeInfo& node, std::string_view name) {
  return *node.attributes[static_cast<size_t>(node.op->AttributeIndex(name))];
}

Call::Attributes WithDefaults(const OpDef& op, const std::vector<Attribute>& given) {
  Call::Attributes all;
  for (const AttributeDef& def : op.attributes) all.push_back(def.by_default);
  for (const Attribute& a : given) all[static_cast<size_t>(op.AttributeIndex(a.name))] = a.value;
  return all;
}

size_t PositionOf(const Ir& ir, int node_id) {
  const auto at = std::find_if(ir.nodes.begin(), ir.nodes.end(), [&](const NodeInfo& n) { return n.id == node_id; });
  return static_cast<size_t>(at - ir.nodes.begin());
}

const std::vector<int64_t>& ShapeOf(const Ir& ir, int value) { return ir.value(value).type.shape; }

bool IsWrite(const NodeInfo& node) { return node.op->name == "scatter_update" || node.op->name == "scatter_update_"; }

Write WriteOf(const Ir& ir, size_t at) {
  const NodeInfo& node = ir.nodes[at];
  const int self = ArgumentOf(node, "self");
  int64_t axis = std::get<int64_t>(AttributeOf(node, "axis").get());
  if (axis < 0) axis += static_cast<int64_t>(ShapeOf(ir, self).size());
  return {node.id,
          at,
          node.op->writes(),
          self,
          ArgumentOf(node, "indices"),
          ArgumentOf(node, "updates"),
          axis,
          AttributeOf(node, "index_mode"),
          AttributeOf(node, "index_policy")};
}

std::vector<std::string> ReadersOf(const Ir& ir, int value) {
  std::vector<std::string> readers;
  for (const size_t i : NodesReading(ir, value)) readers.push_back(ir.nodes[i].name);
  for (const OutputInfo& o : ir.outputs) {
    if (o.value == value) readers.push_back("output " + o.name);
  }
  for (const WriteBackInfo& w : ir.write_backs) {
    if (w.value == value) readers.push_back("the write-back to " + ir.value(w.input).name);
  }
  return readers;
}

std::string ReadersText(const std::vector<std::string>& readers) {
  std::string text;
  for (const std::string& name : readers) text += fmt::format("{}{}", text.empty() ? "" : " and ", name);
  return text.empty() ? "nothing" : text;
}

Status Follow(const Ir& ir, int source, std::string_view what, std::vector<Chain>* chains) {
  std::vector<size_t> nodes;
  bool negated = false;
  for (int value = source;;) {
    const std::vector<size_t> readers = NodesReading(ir, value);
    const std::vector<std::string> names = ReadersOf(ir, value);
    if (readers.size() != 1 || names.size() != 1) {
      return NotFused(
          fmt::format("{} should have one reader, a scatter_update, and is read by {}", what, ReadersText(names)));
    }
    const NodeInfo& reader = ir.nodes[readers.front()];
    if (IsWrite(reader)) {
      const Write write = WriteOf(ir, readers.front());
      if (write.updates == value && write.indices != value && write.self != value) {
        chains->push_back({source, nodes, write, negated});
        return {};
      }
    }
    if (reader.op->name == "neg") {
      negated = !negated;
    } else if (!reader.op->is_view) {
      return NotFused(fmt::format("{} is read by {}, which is neither a write nor a view", what, reader.name));
    }
    nodes.push_back(readers.front());
    value = reader.results.front();
  }
}

Status CheckAgreement(const Ir& ir, const std::vector<Write>& writes) {
  const Write& first = writes.front();
  for (const Write& write : writes) {
    const ValueInfo &a = ir.value(first.indices), &b = ir.value(write.indices);
    if (a.storage != b.storage || !(a.type == b.type)) {
      return NotFused(fmt::format("the indices differ: {} and {}", a.name, b.name));
    }
    if (!(write.mode == first.mode && write.policy == first.policy)) {
      return NotFused("the index modes or policies differ");
    }
    if (write.axis != first.axis) return NotFused(fmt::format("the axis differs: {} and {}", first.axis, write.axis));
    if (write.in_place != first.in_place) return NotFused("some writes are in place and others are not");
  }
  if (writes.size() > 1 && !first.in_place) {
    return NotFused("the writes give new tensors, and nothing writes them back");
  }
  return {};
}

Status CheckBetween(const Ir& ir, size_t begin, const std::vector<Write>& writes, const std::vector<int>& inputs,
                    const Ids& own) {
  std::vector<int> caches;
  size_t first = ir.nodes.size(), last = 0;
  for (const Write& write : writes) {
    if (write.in_place) caches.push_back(write.self);
    first = std::min(first, write.at);
    last = std::max(last, write.at);
  }
  const auto among = [&](const std::vector<int>& values, int id) {
    return std::find_if(values.begin(), values.end(), [&](int v) { return ir.storage(v) == ir.storage(id); });
  };
  for (size_t i = begin + 1; i < last; ++i) {
    const NodeInfo& node = ir.nodes[i];
    if (own.count(node.id) != 0 || node.op->is_view) continue;
    for (size_t k = 0; k < node.arguments.size(); ++k) {
      const int argument = node.arguments[k];
      if (argument < 0) continue;
      if (i > first && among(caches, argument) != caches.end()) {
        return NotFused(fmt::format("a cache is used in between, by {}", node.name));
      }
      if (!node.op->arguments[k].written()) continue;
      if (const auto written = among(inputs, argument); written != inputs.end()) {
        return NotFused(fmt::format("{} is written in between, by {}", ir.value(*written).name, node.name));
      }
    }
  }
  return {};
}

void Remove(Ir* ir, const Ids& own) {
  std::vector<int> gone;
  std::vector<NodeInfo> kept;
  for (NodeInfo& node : ir->nodes) {
    const bool view_of_gone =
        node.op->is_view && std::find(gone.begin(), gone.end(), node.arguments.front()) != gone.end();
    if (own.count(node.id) != 0 || view_of_gone) {
      gone.insert(gone.end(), node.results.begin(), node.results.end());
    } else {
      kept.push_back(std::move(node));
    }
  }
  ir->nodes = std::move(kept);
}

}  // namespace kvant::graph
