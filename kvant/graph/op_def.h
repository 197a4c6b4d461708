// What the graph knows of an operator: names of inputs and attributes, and how to call its rules and itself.
#ifndef KVANT_GRAPH_OP_DEF_H_
#define KVANT_GRAPH_OP_DEF_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kvant/core/exec.h"
#include "kvant/core/status.h"
#include "kvant/core/tensor.h"
#include "kvant/graph/attribute.h"

namespace kvant::graph {

enum class AttributeKind : uint8_t { kBool, kInt, kInt32, kFloat, kInts, kChoice };

// One of several names; what takes numbers as well has a code for each.
struct Choices {
  std::vector<std::string> names;
  std::vector<int64_t> codes = {};
  std::string_view code_name = {};  // what errors call the numbers; empty: they go without saying
};

struct AttributeDef {
  std::string_view name;
  AttributeKind kind;
  std::optional<AttributeValue> by_default;  // none: absent unless given; what that means is said by the rules
  bool required = false;
  const Choices* choices = nullptr;
};

enum class Use : uint8_t { kRequired, kOptional, kWritten, kWrittenOptional };

struct ArgumentDef {
  std::string_view name;
  Use use = Use::kRequired;

  bool optional() const { return use == Use::kOptional || use == Use::kWrittenOptional; }
  bool written() const { return use == Use::kWritten || use == Use::kWrittenOptional; }
};

struct Result {
  std::string name;
  TensorSpec spec;
};

struct OpDef;

// A node's tensors and attributes under the operator's names for them. Attributes are of their kind, choices texts.
class Call {
 public:
  using Attributes = std::vector<std::optional<AttributeValue>>;
  Call(const OpDef& op, const Attributes& attributes, std::vector<TensorView> arguments)
      : op_(op), attributes_(attributes), arguments_(std::move(arguments)) {}

  void AddResult(std::string name, const TensorView& view) { results_.emplace_back(std::move(name), view); }

  // Absent where nothing was given. While shapes are inferred, tensors have addresses but no memory, and results are
  // absent.
  const TensorView& In(std::string_view name) const;
  TensorView Out(std::string_view name) const;

  bool Bool(std::string_view name) const { return std::get<bool>(Get(name)); }
  int64_t Int(std::string_view name) const { return std::get<int64_t>(Get(name)); }
  int Int32(std::string_view name) const { return static_cast<int>(Int(name)); }
  double Float(std::string_view name) const { return std::get<double>(Get(name)); }
  const std::vector<int64_t>& Ints(std::string_view name) const { return std::get<std::vector<int64_t>>(Get(name)); }
  template <class E>
  E Choice(std::string_view name) const {
    return static_cast<E>(ChoiceIndex(name));
  }
  template <class E>
  std::optional<E> OptionalChoice(std::string_view name) const {
    return IsGiven(name) ? std::optional<E>(Choice<E>(name)) : std::nullopt;
  }

 private:
  const AttributeValue::Variant& Get(std::string_view name) const;
  bool IsGiven(std::string_view name) const;
  int ChoiceIndex(std::string_view name) const;

  const OpDef& op_;
  const Attributes& attributes_;
  std::vector<TensorView> arguments_;
  std::vector<std::pair<std::string, TensorView>> results_;
};

struct OpDef {
  std::string_view name;
  std::vector<ArgumentDef> arguments;
  std::vector<AttributeDef> attributes;
  // Names and types of the results, or the first violation of the operator's rules.
  Status (*infer)(const Call& call, std::vector<Result>* results);
  Status (*run)(const Call& call, const ExecOptions& exec);  // null: there is nothing to do
  bool is_view = false;                                      // the result lies in the memory of the first argument

  int ArgumentIndex(std::string_view argument) const;    // -1: no such input
  int AttributeIndex(std::string_view attribute) const;  // -1: no such attribute
  bool writes() const;
};

// Null: no such operator.
const OpDef* FindOp(std::string_view name);
// In alphabetical order.
const std::vector<OpDef>& AllOps();

// `value` as an attribute of this kind is kept; fails if it is none.
Status Normalize(const AttributeDef& def, const AttributeValue& value, AttributeValue* kept);
// "text", 7, [1, 2]
std::string Text(const AttributeValue& value);

// The parts of the table.
void AddQuantOps(std::vector<OpDef>* ops);
void AddPartOps(std::vector<OpDef>* ops);
void AddScatterOps(std::vector<OpDef>* ops);
void AddShapeOps(std::vector<OpDef>* ops);

// Attributes that several operators have.
AttributeDef DstType();
AttributeDef QuantModeOf();
AttributeDef RoundModeOf();
AttributeDef DTypeOf(std::string_view name, DType by_default);
AttributeDef IndexModeOf();
AttributeDef IndexPolicyOf();
AttributeDef Flag(std::string_view name);
AttributeDef Int(std::string_view name, int64_t by_default);
AttributeDef Axis(int64_t by_default);
AttributeDef Float(std::string_view name, double by_default);

}  // namespace kvant::graph

#endif  // KVANT_GRAPH_OP_DEF_H_
