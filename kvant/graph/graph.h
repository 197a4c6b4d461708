// Programs of kvant's operators as data: built by name, checked as they are built, printed, fused (fuse.h) and run
// (run.h).
#ifndef KVANT_GRAPH_GRAPH_H_
#define KVANT_GRAPH_GRAPH_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kvant/core/status.h"
#include "kvant/core/tensor.h"
#include "kvant/graph/attribute.h"

namespace kvant::graph {

struct Ir;

// A tensor of a graph: an input, or a result of a node. Default-constructed: none, which stands for an optional input
// that is not given.
class Value {
 public:
  Value() = default;

 private:
  friend class Graph;
  friend class Node;
  uint64_t graph_ = 0;
  int id_ = -1;
  std::string problem_;  // why there is no such value
};

// What Graph::Add added.
class Node {
 public:
  const std::string& name() const { return name_; }
  // A result by its name.
  Value operator[](std::string_view result) const;
  // The only result.
  operator Value() const;

 private:
  friend class Graph;
  uint64_t graph_ = 0;
  std::string name_;
  std::vector<std::pair<std::string, int>> results_;
};

// An input of a node, by the operator's name for it.
struct Argument {
  std::string name;
  Value value;
};

// A straight line of nodes: they run in the order in which they were added, which is the order in which they are
// printed. A node whose name ends with _ works in place: it has no results and writes one or more of its arguments.
// Whoever reads such a value, or a view of it, after that node sees what it wrote; whoever came before does not.
//
// Every tensor has a dtype, a shape and strides that are known when it is added: those of inputs are given, results
// are row-major without gaps, and the operator view looks at the memory of its argument. What an operator accepts and
// returns is said by the operator's own rules.
//
// The first error stays and makes every later call do nothing, so it is enough to look at status() once; Fuse and Run
// look as well. Texts name the node, the argument and both values; codes are those of the operators, and kInvalidValue
// or kInvalidType for names, attributes and values that do not fit.
class Graph {
 public:
  Graph();
  ~Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;
  explicit Graph(std::unique_ptr<Ir> ir);

  // A tensor that Run is given by this name. Names of inputs and nodes are unique and made of letters, digits, _ . / -
  Value AddInput(std::string_view name, DType dtype, std::span<const int64_t> shape);
  Value AddInput(std::string_view name, DType dtype, std::span<const int64_t> shape, std::span<const int64_t> strides);
  Value AddInput(std::string_view name, DType dtype, std::initializer_list<int64_t> shape) {
    return AddInput(name, dtype, std::span<const int64_t>(shape.begin(), shape.size()));
  }
  Value AddInput(std::string_view name, DType dtype, std::initializer_list<int64_t> shape,
                 std::initializer_list<int64_t> strides) {
    return AddInput(name, dtype, std::span<const int64_t>(shape.begin(), shape.size()),
                    std::span<const int64_t>(strides.begin(), strides.size()));
  }

  // An operator, by its name (README.md has the table; Operators() lists them). Inputs and attributes that have a
  // default may be left out. Without a name the node is called like its operator.
  Node Add(std::string_view op, const std::vector<Argument>& inputs, const std::vector<Attribute>& attributes = {},
           std::string_view name = {});

  // Run hands out what `value` holds after the last node.
  void AddOutput(std::string_view name, const Value& value);
  // After the last node `input` gets the elements of `value`, a node's result of the same dtype and shape. This is how
  // operators that return a new tensor update a cache.
  void WriteBack(const Value& input, const Value& value);

  const Status& status() const;

  // Dtype and shape of a value; nothing for one that this graph does not have.
  std::optional<TensorSpec> Spec(const Value& value) const;

  // A line for each input, node and output. The text of a graph is the same on every machine.
  std::string Dump() const;
  // The graph for Graphviz's dot.
  std::string ToDot() const;

  // The insides, for fuse.h and run.h.
  const Ir& ir() const { return *ir_; }

 private:
  Status TryAddInput(std::string_view name, DType dtype, std::span<const int64_t> shape,
                     std::span<const int64_t> strides);
  Status TryAdd(std::string_view op, const std::vector<Argument>& inputs, const std::vector<Attribute>& attributes,
                std::string name, Node* node);
  Status TryAddOutput(std::string_view name, const Value& value);
  Status TryWriteBack(const Value& input, const Value& value);
  // The id of a value of this graph, -1 for none; `what` is the argument it is given as.
  Status Resolve(std::string_view what, const Value& value, int* id) const;

  std::unique_ptr<Ir> ir_;
};

// The names of all operators, in alphabetical order.
std::vector<std::string_view> Operators();

}  // namespace kvant::graph

#endif  // KVANT_GRAPH_GRAPH_H_
