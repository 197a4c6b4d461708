#include "kvant/graph/graph.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <cctype>

#include "kvant/graph/ir.h"
#include "kvant/rowwise/rules.h"

namespace kvant::graph {
namespace {

Status Invalid(std::string text) { return Status::InvalidValue("graph: " + std::move(text)); }

// `what` is "input", "node" or "output".
Status CheckCharacters(std::string_view what, std::string_view name) {
  const auto legal = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("_./-").find(c) != std::string_view::npos;
  };
  if (!name.empty() && std::all_of(name.begin(), name.end(), legal)) return {};
  return Invalid(fmt::format("the name of {} {} is '{}', expected letters, digits and _ . / -",
                             what == "node" ? "a" : "an", what, name));
}

Status CheckName(const Ir& ir, std::string_view what, std::string_view name) {
  KVANT_RETURN_IF_ERROR(CheckCharacters(what, name));
  if (!ir.IsName(name)) return {};
  return Invalid(fmt::format("{} {}: there is already an input or a node of this name", what, name));
}

template <class Range, class Function>
std::string Joined(const Range& range, const Function& text) {
  std::string all;
  for (const auto& item : range) all += fmt::format("{}{}", all.empty() ? "" : ", ", text(item));
  return all.empty() ? "none" : all;
}

std::string InputsOf(const OpDef& op) {
  return Joined(op.arguments,
                [](const ArgumentDef& a) { return fmt::format("{}{}", a.name, a.optional() ? " (optional)" : ""); });
}
std::string AttributesOf(const OpDef& op) {
  return Joined(op.attributes, [](const AttributeDef& a) { return a.name; });
}

Status CollectAttributes(const OpDef& op, const std::vector<Attribute>& given, Call::Attributes* attributes) {
  for (const AttributeDef& def : op.attributes) attributes->push_back(def.by_default);
  std::vector<bool> seen(op.attributes.size());
  for (const Attribute& a : given) {
    const int index = op.AttributeIndex(a.name);
    if (index < 0) {
      return Status::InvalidValue(
          fmt::format("{} has no attribute {}; its attributes: {}", op.name, a.name, AttributesOf(op)));
    }
    const auto i = static_cast<size_t>(index);
    if (seen[i]) return Status::InvalidValue(fmt::format("attribute {} is given twice", a.name));
    seen[i] = true;
    AttributeValue kept = a.value;
    KVANT_RETURN_IF_ERROR(Normalize(op.attributes[i], a.value, &kept));
    (*attributes)[i] = std::move(kept);
  }
  for (size_t i = 0; i < seen.size(); ++i) {
    if (!op.attributes[i].required || seen[i]) continue;
    return Status::InvalidValue(fmt::format("attribute {} is missing; the attributes of {}: {}", op.attributes[i].name,
                                            op.name, AttributesOf(op)));
  }
  return {};
}

uint64_t NextId() {
  static std::atomic<uint64_t> next{1};
  return next++;
}

}  // namespace

Value Node::operator[](std::string_view result) const {
  Value value;
  value.graph_ = graph_;
  for (const auto& [name, id] : results_) {
    if (name == result) value.id_ = id;
  }
  if (value.id_ < 0) {
    value.problem_ = fmt::format("result {} of node {}, whose results: {}", result, name_,
                                 Joined(results_, [](const auto& r) { return r.first; }));
  }
  return value;
}

Node::operator Value() const {
  Value value;
  value.graph_ = graph_;
  if (results_.size() == 1) {
    value.id_ = results_.front().second;
  } else if (results_.empty()) {
    value.problem_ = fmt::format("node {}, which has no results: it writes its inputs", name_);
  } else {
    value.problem_ = fmt::format("node {}, which has several results, name one of them: {}", name_,
                                 Joined(results_, [](const auto& r) { return r.first; }));
  }
  return value;
}

Graph::Graph() : Graph(std::make_unique<Ir>()) {}
Graph::Graph(std::unique_ptr<Ir> ir) : ir_(std::move(ir)) { ir_->id = NextId(); }
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;

const Status& Graph::status() const { return ir_->status; }

Value Graph::AddInput(std::string_view name, DType dtype, std::span<const int64_t> shape) {
  return AddInput(name, dtype, shape, DenseType(dtype, shape).strides);
}

Value Graph::AddInput(std::string_view name, DType dtype, std::span<const int64_t> shape,
                      std::span<const int64_t> strides) {
  if (!ir_->status.ok()) return {};
  ir_->status = TryAddInput(name, dtype, shape, strides);
  if (!ir_->status.ok()) return {};
  Value value;
  value.graph_ = ir_->id;
  value.id_ = ir_->inputs.back();
  return value;
}

Status Graph::TryAddInput(std::string_view name, DType dtype, std::span<const int64_t> shape,
                          std::span<const int64_t> strides) {
  KVANT_RETURN_IF_ERROR(CheckName(*ir_, "input", name));
  if (shape.size() > static_cast<size_t>(kMaxRank)) {
    return Invalid(fmt::format("input {} has {} dimensions, at most {} are supported", name, shape.size(), kMaxRank));
  }
  if (std::any_of(shape.begin(), shape.end(), [](int64_t extent) { return extent < 0; })) {
    return Invalid(fmt::format("input {} has shape {}, a size cannot be negative", name, ShapeText(shape)));
  }
  if (shape.size() != strides.size()) {
    return Invalid(fmt::format("input {} has shape {}, but strides {}", name, ShapeText(shape), ShapeText(strides)));
  }
  const TensorType type{dtype, {shape.begin(), shape.end()}, {strides.begin(), strides.end()}};
  int64_t before, after;
  if (!Reach(type, &before, &after)) {
    return Invalid(fmt::format("input {} has shape {} and strides {}, of more than 2^48 bytes", name, ShapeText(shape),
                               ShapeText(strides)));
  }
  ir_->inputs.push_back(static_cast<int>(ir_->values.size()));
  ir_->values.push_back({std::string(name), type, ir_->storages++});
  return {};
}

Status Graph::Resolve(std::string_view what, const Value& value, int* id) const {
  if (!value.problem_.empty()) return Status::InvalidValue(fmt::format("{} is {}", what, value.problem_));
  if (value.id_ >= 0 && value.graph_ != ir_->id) {
    return Status::InvalidValue(fmt::format("{} is a value of another graph", what));
  }
  *id = value.id_;
  return {};
}

Node Graph::Add(std::string_view op, const std::vector<Argument>& inputs, const std::vector<Attribute>& attributes,
                std::string_view name) {
  Node node;
  if (!ir_->status.ok()) return node;
  std::string wanted(name);
  if (name.empty()) {
    wanted = ir_->FreeName(op);
  } else if (ir_->status = CheckName(*ir_, "node", name); !ir_->status.ok()) {
    return node;
  }
  if (Status s = TryAdd(op, inputs, attributes, wanted, &node); !s.ok()) {
    ir_->status = Status(s.code(), fmt::format("graph: node {}: {}", wanted, s.message()));
  }
  return node;
}

Status Graph::TryAdd(std::string_view op_name, const std::vector<Argument>& inputs,
                     const std::vector<Attribute>& attributes, std::string name, Node* node) {
  const OpDef* op = FindOp(op_name);
  if (op == nullptr) {
    return Status::InvalidValue(fmt::format("no operator is called {}; there are: {}", op_name,
                                            Joined(Operators(), [](std::string_view n) { return n; })));
  }
  std::vector<int> arguments(op->arguments.size(), -1);
  std::vector<bool> seen(op->arguments.size());
  for (const Argument& a : inputs) {
    const int index = op->ArgumentIndex(a.name);
    if (index < 0) {
      return Status::InvalidValue(fmt::format("{} has no input {}; its inputs: {}", op->name, a.name, InputsOf(*op)));
    }
    const auto i = static_cast<size_t>(index);
    if (seen[i]) return Status::InvalidValue(fmt::format("input {} is given twice", a.name));
    seen[i] = true;
    KVANT_RETURN_IF_ERROR(Resolve(fmt::format("input {}", a.name), a.value, &arguments[i]));
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] >= 0 || op->arguments[i].optional()) continue;
    return Status::InvalidValue(
        fmt::format("input {} is missing; the inputs of {}: {}", op->arguments[i].name, op->name, InputsOf(*op)));
  }
  Call::Attributes all;
  KVANT_RETURN_IF_ERROR(CollectAttributes(*op, attributes, &all));
  NodeInfo added;
  KVANT_RETURN_IF_ERROR(
      Insert(ir_.get(), ir_->nodes.size(), *op, std::move(name), std::move(arguments), std::move(all), &added));
  node->graph_ = ir_->id;
  node->name_ = added.name;
  for (size_t i = 0; i < added.results.size(); ++i) {
    node->results_.emplace_back(added.result_names[i], added.results[i]);
  }
  return {};
}

void Graph::AddOutput(std::string_view name, const Value& value) {
  if (ir_->status.ok()) ir_->status = TryAddOutput(name, value);
}

Status Graph::TryAddOutput(std::string_view name, const Value& value) {
  const std::string what = fmt::format("output {}", name);
  int id = -1;
  KVANT_RETURN_IF_ERROR(CheckCharacters("output", name));
  if (Status s = Resolve(what, value, &id); !s.ok()) return Invalid(s.message());
  if (id < 0) return Invalid(fmt::format("{} has no value", what));
  const auto taken = [&](std::string_view other) { return other == name; };
  if (std::any_of(ir_->outputs.begin(), ir_->outputs.end(), [&](const OutputInfo& o) { return taken(o.name); }) ||
      std::any_of(ir_->inputs.begin(), ir_->inputs.end(), [&](int input) { return taken(ir_->value(input).name); })) {
    return Invalid(fmt::format("{}: there is already an input or an output of this name", what));
  }
  ir_->outputs.push_back({std::string(name), id});
  return {};
}

void Graph::WriteBack(const Value& input, const Value& value) {
  if (ir_->status.ok()) ir_->status = TryWriteBack(input, value);
}

Status Graph::TryWriteBack(const Value& input, const Value& value) {
  int to = -1, from = -1;
  if (Status s = Resolve("what is written back to", input, &to); !s.ok()) return Invalid(s.message());
  if (to < 0 || !ir_->IsInput(to)) return Invalid("what is written back to is no input");
  const std::string what = "what is written back to " + ir_->value(to).name;
  if (Status s = Resolve(what, value, &from); !s.ok()) return Invalid(s.message());
  if (from < 0) return Invalid(what + " has no value");
  const auto same = [&](const WriteBackInfo& w) { return w.input == to; };
  if (std::any_of(ir_->write_backs.begin(), ir_->write_backs.end(), same)) return Invalid(what + " is given twice");
  const auto of_input = [&](int id) { return ir_->storage(id) == ir_->storage(from); };
  if (std::any_of(ir_->inputs.begin(), ir_->inputs.end(), of_input)) {
    return Invalid(fmt::format("{} is {}, which is an input or a view of one", what, ir_->value(from).name));
  }
  const TensorType &wanted = ir_->value(to).type, &given = ir_->value(from).type;
  if (given.dtype != wanted.dtype) {
    return Status::InvalidType(
        fmt::format("graph: {} is {}, expected {}", what, Name(given.dtype), Name(wanted.dtype)));
  }
  if (given.shape != wanted.shape) {
    return Invalid(fmt::format("{} has shape {}, expected {}", what, ShapeText(given.shape), ShapeText(wanted.shape)));
  }
  ir_->write_backs.push_back({to, from});
  return {};
}

std::optional<TensorSpec> Graph::Spec(const Value& value) const {
  if (value.id_ < 0 || value.graph_ != ir_->id) return std::nullopt;
  const TensorType& type = ir_->value(value.id_).type;
  TensorSpec spec;
  spec.dtype = type.dtype;
  for (const int64_t extent : type.shape) spec.shape[spec.rank++] = extent;
  return spec;
}

std::vector<std::string_view> Operators() {
  std::vector<std::string_view> names;
  for (const OpDef& op : AllOps()) names.push_back(op.name);
  return names;
}

}  // namespace kvant::graph
