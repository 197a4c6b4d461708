#include <fmt/core.h>

#include "kvant/graph/ir.h"
#include "kvant/rowwise/rules.h"

namespace kvant::graph {
namespace {

// Those that differ from their defaults, as name=value.
std::vector<std::string> Attributes(const NodeInfo& node) {
  std::vector<std::string> all;
  for (size_t i = 0; i < node.attributes.size(); ++i) {
    const AttributeDef& def = node.op->attributes[i];
    if (node.attributes[i] == def.by_default) continue;
    all.push_back(fmt::format("{}={}", def.name, Text(*node.attributes[i])));
  }
  return all;
}

std::string Line(const Ir& ir, const NodeInfo& node) {
  std::string text = fmt::format("{} = {}(", node.name, node.op->name), separator;
  for (size_t i = 0; i < node.arguments.size(); ++i) {
    if (node.arguments[i] < 0) continue;
    const ArgumentDef& def = node.op->arguments[i];
    text += fmt::format("{}{}={}{}", separator, def.name, def.written() ? "&" : "", ir.value(node.arguments[i]).name);
    separator = ", ";
  }
  text += ")";
  separator = " {";
  for (const std::string& attribute : Attributes(node)) {
    text += separator + attribute;
    separator = ", ";
  }
  if (separator == ", ") text += "}";
  separator = " : ";
  for (size_t i = 0; i < node.results.size(); ++i) {
    text += separator;
    if (node.results.size() > 1) text += node.result_names[i] + " ";
    text += TypeText(ir.value(node.results[i]).type);
    separator = ", ";
  }
  return text + "\n";
}

// Where a value comes from, for an edge.
std::string Origin(const Ir& ir, int value, std::string* label) {
  for (const NodeInfo& node : ir.nodes) {
    for (size_t i = 0; i < node.results.size(); ++i) {
      if (node.results[i] != value) continue;
      if (node.results.size() > 1) *label = node.result_names[i];
      return node.name;
    }
  }
  return ir.value(value).name;
}

std::string Edge(const Ir& ir, int value, std::string_view to, std::string_view argument, bool written) {
  std::string result;
  const std::string from = Origin(ir, value, &result);
  const std::string label =
      result.empty() ? std::string(argument) : fmt::format("{}{}{}", result, argument.empty() ? "" : " to ", argument);
  return fmt::format("  \"{}\" -> \"{}\" [label=\"{}\"{}];\n", from, to, label, written ? ", dir=both, color=red" : "");
}

}  // namespace

std::string TypeText(const TensorType& type) {
  std::string text = fmt::format("{}{}", Name(type.dtype), ShapeText(type.shape));
  const std::vector<int64_t> dense = DenseType(type.dtype, type.shape).strides;
  return type.strides == dense ? text : fmt::format("{} strides {}", text, ShapeText(type.strides));
}

std::string Graph::Dump() const {
  if (!status().ok()) return fmt::format("error: {}\n", status().message());
  std::string text;
  for (const int id : ir_->inputs) {
    text += fmt::format("{} = input : {}\n", ir_->value(id).name, TypeText(ir_->value(id).type));
  }
  for (const NodeInfo& node : ir_->nodes) text += Line(*ir_, node);
  for (const OutputInfo& o : ir_->outputs) text += fmt::format("output {} = {}\n", o.name, ir_->value(o.value).name);
  for (const WriteBackInfo& w : ir_->write_backs) {
    text += fmt::format("write back {} = {}\n", ir_->value(w.input).name, ir_->value(w.value).name);
  }
  return text;
}

std::string Graph::ToDot() const {
  std::string text = "digraph kvant {\n  node [shape=box];\n";
  for (const int id : ir_->inputs) {
    const ValueInfo& value = ir_->value(id);
    text += fmt::format("  \"{0}\" [label=\"{0}\\n{1}\", shape=ellipse];\n", value.name, TypeText(value.type));
  }
  for (const NodeInfo& node : ir_->nodes) {
    std::string label(node.op->name);
    if (node.name != node.op->name) label = fmt::format("{}\\n{}", node.name, label);
    for (const std::string& attribute : Attributes(node)) label += "\\n" + attribute;
    text += fmt::format("  \"{}\" [label=\"{}\"];\n", node.name, label);
    for (size_t i = 0; i < node.arguments.size(); ++i) {
      const ArgumentDef& def = node.op->arguments[i];
      if (node.arguments[i] >= 0) text += Edge(*ir_, node.arguments[i], node.name, def.name, def.written());
    }
  }
  for (const OutputInfo& o : ir_->outputs) {
    text += fmt::format("  \"output {0}\" [label=\"{0}\", shape=ellipse];\n", o.name);
    text += Edge(*ir_, o.value, "output " + o.name, "", false);
  }
  for (const WriteBackInfo& w : ir_->write_backs) {
    text += Edge(*ir_, w.value, ir_->value(w.input).name, "written back", false);
  }
  return text + "}\n";
}

}  // namespace kvant::graph
