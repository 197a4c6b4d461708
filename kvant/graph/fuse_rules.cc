#include <fmt/core.h>

#include <algorithm>

#include "kvant/graph/fuse_rules.h"
#include "kvant/graph/rewrite.h"
#include "kvant/rowwise/rules.h"

namespace kvant::graph {
namespace {

constexpr std::string_view kFused = "dynamic_quant_update_scatter_";
using Shape = std::vector<int64_t>;

std::string TextOf(const NodeInfo& node, std::string_view attribute) { return Text(AttributeOf(node, attribute)); }
int64_t IntOf(const NodeInfo& node, std::string_view attribute) {
  return std::get<int64_t>(AttributeOf(node, attribute).get());
}
bool BoolOf(const NodeInfo& node, std::string_view attribute) {
  return std::get<bool>(AttributeOf(node, attribute).get());
}

// Rows stay whole: what is written ends in the dimension that the source ends in.
Status CheckRows(const Ir& ir, const Chain& chain) {
  const Shape &before = ShapeOf(ir, chain.source), &after = ShapeOf(ir, chain.write.updates);
  if (!after.empty() && before.back() == after.back()) return {};
  return NotFused(fmt::format("{} takes rows apart", ir.nodes[chain.nodes.back()].name));
}

Shape WithoutOnes(Shape shape) {
  shape.erase(std::remove(shape.begin(), shape.end(), 1), shape.end());
  return shape;
}

// A table has a place for each row of the codes: `table` or that with one 1 more or less at its end.
Status CheckTable(const Ir& ir, const Chain& codes, const Chain& chain, const Shape& table, bool grouped) {
  const Shape& shape = ShapeOf(ir, chain.write.self);
  std::vector<Shape> legal = {table};
  if (!grouped) {
    legal.push_back(table);
    legal.back().push_back(1);
    if (table.size() > 2 && table.back() == 1) legal.emplace_back(table.begin(), table.end() - 1);
  }
  if (std::find(legal.begin(), legal.end(), shape) == legal.end()) {
    return NotFused(fmt::format("a table of shape {} does not belong to codes of {}", ShapeText(shape),
                                ShapeText(ShapeOf(ir, codes.write.self))));
  }
  Shape rows = ShapeOf(ir, codes.write.updates), others = ShapeOf(ir, chain.write.updates);
  rows.pop_back();
  if (grouped) others.pop_back();
  if (WithoutOnes(rows) == WithoutOnes(others)) return {};
  return NotFused(fmt::format("updates of {} do not belong to codes of {}", ShapeText(ShapeOf(ir, chain.write.updates)),
                              ShapeText(ShapeOf(ir, codes.write.updates))));
}

// A view of `value` before the node at *position, which moves on; the value itself where it has that shape.
Status ViewAs(Ir* ir, size_t* position, int value, const Shape& shape, int* result) {
  *result = value;
  if (ShapeOf(*ir, value) == shape) return {};
  NodeInfo view;
  KVANT_RETURN_IF_ERROR(
      Insert(ir, *position, *FindOp("view"), ir->FreeName("view"), {value}, {AttributeValue(shape)}, &view));
  ++*position;
  *result = view.results.front();
  return {};
}

// The shape that x has to have for its rows to be those that `chain` writes.
Shape UpdatesShape(const Ir& ir, const Chain& chain, int x) {
  Shape shape = ShapeOf(ir, chain.write.updates);
  shape.back() = ShapeOf(ir, x).back();
  return shape;
}

}  // namespace

Status FuseDynamic(Ir* ir, int id) {
  const size_t at = PositionOf(*ir, id);
  const NodeInfo quant = ir->nodes[at];
  const std::string dst_type = TextOf(quant, "dst_type"), quant_mode = TextOf(quant, "quant_mode");
  if (dst_type != "int8" && dst_type != "int4") {
    return NotFused(fmt::format("dst_type is {}, and only int8 and int4 are fused", dst_type));
  }
  if (quant_mode != "pertoken") {
    return NotFused(fmt::format("quant_mode is {}, and only pertoken is fused", quant_mode));
  }
  if (ArgumentOf(quant, "group_index") >= 0) return NotFused("it has expert groups (group_index)");
  constexpr std::string_view kParts[] = {"the codes", "the scale", "the offset"};
  std::vector<Chain> chains;
  for (size_t i = 0; i < quant.results.size(); ++i) {
    KVANT_RETURN_IF_ERROR(Follow(*ir, quant.results[i], kParts[i], &chains));
  }
  if (chains[0].negated || chains[1].negated) return NotFused("codes or scales are negated");
  std::vector<Write> writes;
  Ids own = {id};
  for (const Chain& chain : chains) {
    writes.push_back(chain.write);
    own.insert(chain.write.id);
    for (const size_t node : chain.nodes) own.insert(ir->nodes[node].id);
  }
  KVANT_RETURN_IF_ERROR(CheckAgreement(*ir, writes));
  KVANT_RETURN_IF_ERROR(CheckRows(*ir, chains[0]));
  const int64_t group_size = IntOf(quant, "group_size");
  const int x = ArgumentOf(quant, "x"), smooth = ArgumentOf(quant, "smooth_scales"), var = writes[0].self;
  Shape table = ShapeOf(*ir, var);
  table.pop_back();
  if (group_size != 0) table.push_back(ShapeOf(*ir, x).back() / group_size);
  for (size_t i = 1; i < chains.size(); ++i) {
    KVANT_RETURN_IF_ERROR(CheckTable(*ir, chains[0], chains[i], table, group_size != 0));
  }
  std::vector<int> inputs = {x, writes[0].indices};
  if (smooth >= 0) inputs.push_back(smooth);
  KVANT_RETURN_IF_ERROR(CheckBetween(*ir, at, writes, inputs, own));

  const OpDef& op = *FindOp(kFused);
  const bool symmetric = BoolOf(quant, "symmetric");
  const Call::Attributes attributes = WithDefaults(op, {{"dst_type", dst_type},
                                                        {"symmetric", symmetric},
                                                        {"negate_offset", !symmetric && chains[2].negated},
                                                        {"group_size", group_size},
                                                        {"axis", writes[0].axis},
                                                        {"index_mode", writes[0].mode},
                                                        {"index_policy", writes[0].policy}});
  size_t position = 0;
  for (const Write& write : writes) position = std::max(position, write.at);
  const auto insert = [&](int updates, int scale, int offset) {
    std::vector<int> arguments(op.arguments.size(), -1);
    const auto set = [&](std::string_view name, int value) {
      arguments[static_cast<size_t>(op.ArgumentIndex(name))] = value;
    };
    set("updates", updates);
    set("var", var);
    set("var_scale", scale);
    set("var_offset", offset);
    set("indices", writes[0].indices);
    set("smooth_scales", smooth);
    NodeInfo added;
    return Insert(ir, position, op, ir->FreeName(kFused), arguments, attributes, &added);
  };
  // The operator takes several shapes as they are; what it does not take is looked at as the one that it always takes.
  if (!insert(x, writes[1].self, symmetric ? -1 : writes[2].self).ok()) {
    int updates, scale, offset = -1;
    KVANT_RETURN_IF_ERROR(ViewAs(ir, &position, x, UpdatesShape(*ir, chains[0], x), &updates));
    KVANT_RETURN_IF_ERROR(ViewAs(ir, &position, writes[1].self, table, &scale));
    if (!symmetric) KVANT_RETURN_IF_ERROR(ViewAs(ir, &position, writes[2].self, table, &offset));
    KVANT_RETURN_IF_ERROR(insert(updates, scale, offset));
  }
  Remove(ir, own);
  return {};
}

bool IsWritten(const Ir& ir, int value) {
  for (size_t i = 0; i < ir.nodes.size(); ++i) {
    const NodeInfo& node = ir.nodes[i];
    if (IsWrite(node) && WriteOf(ir, i).updates == value) return true;
    if (node.op->is_view && node.arguments.front() == value && IsWritten(ir, node.results.front())) return true;
  }
  return false;
}

Status FuseStatic(Ir* ir, int id, std::string_view* into) {
  const size_t at = PositionOf(*ir, id);
  const NodeInfo quant = ir->nodes[at];
  const std::string dst_type = TextOf(quant, "dst_type");
  const int x = ArgumentOf(quant, "x"), scales = ArgumentOf(quant, "quant_scales"),
            zeros = ArgumentOf(quant, "quant_zero_points");
  if (dst_type == "int4") return NotFused("dst_type is int4, which quant_scatter does not have");
  const int64_t axis = IntOf(quant, "axis"), rank = static_cast<int64_t>(ShapeOf(*ir, x).size());
  if (axis != -1 && axis != rank - 1) {
    return NotFused(fmt::format("the scales are along dimension {}, and only the last one is fused", axis));
  }
  std::vector<Chain> chains;
  KVANT_RETURN_IF_ERROR(Follow(*ir, quant.results.front(), "the codes", &chains));
  const Chain& chain = chains.front();
  const Write& write = chain.write;
  KVANT_RETURN_IF_ERROR(CheckAgreement(*ir, {write}));
  KVANT_RETURN_IF_ERROR(CheckRows(*ir, chain));
  Ids own = {id, write.id};
  for (const size_t node : chain.nodes) own.insert(ir->nodes[node].id);
  std::vector<int> inputs = {x, scales, write.indices};
  if (zeros >= 0) inputs.push_back(zeros);
  KVANT_RETURN_IF_ERROR(CheckBetween(*ir, at, {write}, inputs, own));

  size_t position = write.at;
  int updates;
  KVANT_RETURN_IF_ERROR(ViewAs(ir, &position, x, UpdatesShape(*ir, chain, x), &updates));
  const OpDef& op = *FindOp(write.in_place ? "quant_scatter_" : "quant_scatter");
  *into = op.name;
  NodeInfo added;
  KVANT_RETURN_IF_ERROR(Insert(ir, position, op, ir->FreeName(op.name),
                               {write.self, write.indices, updates, scales, zeros},
                               WithDefaults(op, {{"dst_type", dst_type},
                                                 {"axis", write.axis},
                                                 {"reciprocal_scale", AttributeOf(quant, "reciprocal_scale")},
                                                 {"round_mode", AttributeOf(quant, "round_mode")},
                                                 {"index_mode", write.mode},
                                                 {"index_policy", write.policy}}),
                               &added));
  if (!write.in_place) {  // who reads the result of the write reads this node's
    NodeInfo& node = ir->nodes[position];
    node.results.clear();
    node.results.swap(ir->nodes[PositionOf(*ir, write.id)].results);
    ir->values[static_cast<size_t>(node.results.front())].name = node.name;
  }
  Remove(ir, own);
  return {};
}

int ScatterOf(const Ir& ir, const WriteBackInfo& back) {
  for (const NodeInfo& node : ir.nodes) {
    if (node.results != std::vector<int>{back.value}) continue;
    const bool scatters = node.op->name == "scatter_update" || node.op->name == "quant_scatter";
    return scatters && ArgumentOf(node, "self") == back.input ? node.id : -1;
  }
  return -1;
}

Status FuseWriteBack(Ir* ir, const WriteBackInfo& back, int id, int* in_place) {
  const size_t at = PositionOf(*ir, id);
  const NodeInfo scatter = ir->nodes[at];
  if (const auto readers = ReadersOf(*ir, back.value); readers.size() != 1) {
    return NotFused(fmt::format("{} should have one reader, the write-back to {}, and is read by {}", scatter.name,
                                ir->value(back.input).name, ReadersText(readers)));
  }
  const auto is_cache = [&](int value) { return value >= 0 && ir->storage(value) == ir->storage(back.input); };
  for (size_t i = at + 1; i < ir->nodes.size(); ++i) {
    const NodeInfo& node = ir->nodes[i];
    if (node.op->is_view || std::none_of(node.arguments.begin(), node.arguments.end(), is_cache)) continue;
    return NotFused(fmt::format("the cache is used afterwards, by {}", node.name));
  }
  for (const OutputInfo& o : ir->outputs) {
    if (is_cache(o.value)) return NotFused(fmt::format("the cache is used afterwards, by output {}", o.name));
  }
  const OpDef& op = *FindOp(fmt::format("{}_", scatter.op->name));
  NodeInfo added;
  KVANT_RETURN_IF_ERROR(Insert(ir, at, op, ir->FreeName(op.name), scatter.arguments, scatter.attributes, &added));
  *in_place = added.id;
  const auto same = [&](const WriteBackInfo& w) { return w.input == back.input; };
  ir->write_backs.erase(std::find_if(ir->write_backs.begin(), ir->write_backs.end(), same));
  Remove(ir, {id});
  return {};
}

}  // namespace kvant::graph
