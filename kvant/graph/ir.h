// The insides of a Graph.
#ifndef KVANT_GRAPH_IR_H_
#define KVANT_GRAPH_IR_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvant/graph/graph.h"
#include "kvant/graph/op_def.h"

namespace kvant::graph {

struct TensorType {
  DType dtype = DType::kFloat32;
  std::vector<int64_t> shape, strides;

  friend bool operator==(const TensorType&, const TensorType&) = default;
};

struct ValueInfo {
  std::string name;
  TensorType type;
  int storage;  // values with one storage share all of their memory, others none
};

struct NodeInfo {
  int id = 0;  // stays while nodes move
  std::string name;
  const OpDef* op = nullptr;
  std::vector<int> arguments;   // values in the order of op->arguments, -1 for absent ones
  Call::Attributes attributes;  // in the order of op->attributes, absent or of their kind
  std::vector<int> results;
  std::vector<std::string> result_names;
};

struct OutputInfo {
  std::string name;
  int value;
};

struct WriteBackInfo {
  int input;
  int value;
};

struct Ir {
  uint64_t id = 0;  // of the graph, for values that are given to another one
  Status status;
  std::vector<ValueInfo> values;
  std::vector<int> inputs;
  std::vector<NodeInfo> nodes;
  std::vector<OutputInfo> outputs;
  std::vector<WriteBackInfo> write_backs;
  int storages = 0;
  int next_node = 0;

  const ValueInfo& value(int id) const { return values[static_cast<size_t>(id)]; }
  int storage(int id) const { return value(id).storage; }
  bool IsInput(int id) const;
  bool IsName(std::string_view name) const;
  // `wanted`, or the first of wanted2, wanted3, .. that no input or node is called by.
  std::string FreeName(std::string_view wanted) const;
};

// Row-major strides without gaps, as views of tensors have them.
TensorType DenseType(DType dtype, std::span<const int64_t> shape);
inline TensorType DenseType(const TensorSpec& spec) { return DenseType(spec.dtype, spec.dims()); }

// The bytes before and after the first element that a tensor reaches. False: more than 2^48 of them, or of elements.
bool Reach(const TensorType& type, int64_t* before, int64_t* after);

// The strides by which the memory of `type` looks like `shape`, of as many elements; false if there are none.
bool ViewStrides(const TensorType& type, const std::vector<int64_t>& shape, std::vector<int64_t>* strides);

// Puts a node before nodes[position], with a name that is free. Fails as the operator's rules do; nothing has changed
// then but for values that nobody uses.
Status Insert(Ir* ir, size_t position, const OpDef& op, std::string name, std::vector<int> arguments,
              Call::Attributes attributes, NodeInfo* added);

// One line, as Dump has it.
std::string TypeText(const TensorType& type);

}  // namespace kvant::graph

#endif  // KVANT_GRAPH_IR_H_
