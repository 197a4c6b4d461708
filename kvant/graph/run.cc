#include "kvant/graph/run.h"

#include <fmt/core.h>

#include <algorithm>
#include <new>

#include "kvant/core/overlap.h"
#include "kvant/graph/ir.h"
#include "kvant/ops/scatter_update/copy.h"
#include "kvant/rowwise/rules.h"

namespace kvant::graph {
namespace {

constexpr std::string_view kOp = "graph";

TensorSpec SpecOfType(const TensorType& type) {
  TensorSpec spec;
  spec.dtype = type.dtype;
  for (const int64_t extent : type.shape) spec.shape[spec.rank++] = extent;
  return spec;
}

// Strides along which there is no second element do not matter.
bool SameStrides(const ConstTensorView& t, const TensorType& type) {
  for (int d = 0; d < t.rank(); ++d) {
    if (t.shape(d) == 0) return true;
  }
  for (int d = 0; d < t.rank(); ++d) {
    if (t.shape(d) > 1 && t.stride(d) != type.strides[static_cast<size_t>(d)]) return false;
  }
  return true;
}

}  // namespace

class Runner {
 public:
  Runner(const Ir& ir, const ExecOptions& exec)
      : ir_(ir), exec_(exec), base_(static_cast<size_t>(ir.storages)), last_use_(base_.size(), -1) {
    own_.resize(base_.size());
  }

  Status Bind(const std::vector<Binding>& tensors, bool returns_outputs);
  Status RunNodes();
  Status Finish(std::vector<Tensor>* outputs);

 private:
  // Something that is bound, and who writes it.
  struct Bound {
    std::string what;  // "input x"
    ConstTensorView tensor;
    std::string writer;  // empty: nobody
  };

  Status BindInput(int id, const Binding* binding);
  Status BindOutput(const OutputInfo& output, const Binding* binding);
  Status CheckMemory() const;
  Status RunNode(const NodeInfo& node);
  // Null: no memory.
  static std::unique_ptr<std::byte[]> Allocate(int64_t bytes) {
    return std::unique_ptr<std::byte[]>(new (std::nothrow) std::byte[static_cast<size_t>(std::max<int64_t>(bytes, 1))]);
  }
  // The node that writes the storage of a value, or what else does; empty: nothing.
  std::string WriterOf(int id) const;
  TensorView View(int id) const {
    const ValueInfo& v = ir_.value(id);
    return {base_[static_cast<size_t>(v.storage)], v.type.dtype, v.type.shape, v.type.strides};
  }

  const Ir& ir_;
  const ExecOptions& exec_;
  std::vector<void*> base_;  // by storage: where the first element of its values is
  std::vector<std::unique_ptr<std::byte[]>> own_;
  std::vector<int> last_use_;  // by storage: the last node that reads it
  std::vector<Bound> bound_;
  std::vector<TensorView> outputs_;  // in the order of ir.outputs; absent: to be returned
};

std::string Runner::WriterOf(int id) const {
  for (const NodeInfo& node : ir_.nodes) {
    for (size_t i = 0; i < node.arguments.size(); ++i) {
      const int argument = node.arguments[i];
      if (argument >= 0 && node.op->arguments[i].written() && ir_.storage(argument) == ir_.storage(id)) {
        return "node " + node.name;
      }
    }
  }
  for (const WriteBackInfo& w : ir_.write_backs) {
    if (w.input == id) return "a write-back";
  }
  return {};
}

Status Runner::BindInput(int id, const Binding* binding) {
  const ValueInfo& value = ir_.value(id);
  const std::string what = "input " + value.name;
  if (binding == nullptr) return Status::InvalidValue(fmt::format("graph: {} is not bound", what));
  KVANT_RETURN_IF_ERROR(CheckSpec(kOp, {what, binding->tensor}, SpecOfType(value.type)));
  if (!SameStrides(binding->tensor, value.type)) {
    return Status::InvalidValue(fmt::format("graph: {} has strides {}, expected {}", what,
                                            ShapeText(binding->tensor.strides()), ShapeText(value.type.strides)));
  }
  std::string writer = WriterOf(id);
  if (!writer.empty() && !binding->writable) {
    return Status::InvalidValue(fmt::format("graph: {} is read-only, but {} writes it", what, writer));
  }
  base_[static_cast<size_t>(value.storage)] = const_cast<void*>(binding->tensor.data());
  bound_.push_back({what, binding->tensor, std::move(writer)});
  return {};
}

Status Runner::BindOutput(const OutputInfo& output, const Binding* binding) {
  outputs_.emplace_back();
  if (binding == nullptr) return {};
  const std::string what = "output " + output.name;
  KVANT_RETURN_IF_ERROR(CheckSpec(kOp, {what, binding->tensor}, SpecOfType(ir_.value(output.value).type)));
  if (!binding->writable) return Status::InvalidValue(fmt::format("graph: {} is read-only", what));
  const ConstTensorView& t = binding->tensor;
  outputs_.back() = TensorView(const_cast<void*>(t.data()), t.dtype(), t.shape(), t.strides());
  bound_.push_back({what, t, "the graph"});
  return {};
}

// What is written overlaps nothing else, nor itself.
Status Runner::CheckMemory() const {
  for (size_t i = 0; i < bound_.size(); ++i) {
    const Bound& a = bound_[i];
    if (!a.writer.empty() && OverlapsItself(a.tensor)) {
      return Status::InvalidValue(
          fmt::format("graph: elements of {} share memory, and {} writes them", a.what, a.writer));
    }
    for (size_t k = 0; k < i; ++k) {
      const Bound& b = bound_[k];
      if ((a.writer.empty() && b.writer.empty()) || !Overlaps(a.tensor, b.tensor)) continue;
      const Bound& written = b.writer.empty() ? a : b;
      return Status::InvalidValue(
          fmt::format("graph: {} and {} share memory, and {} writes {}", b.what, a.what, written.writer, written.what));
    }
  }
  return {};
}

Status Runner::Bind(const std::vector<Binding>& tensors, bool returns_outputs) {
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::string& name = tensors[i].name;
    const auto same = [&](const Binding& b) { return b.name == name; };
    if (std::find_if(tensors.begin(), tensors.end(), same) != tensors.begin() + static_cast<int64_t>(i)) {
      return Status::InvalidValue(fmt::format("graph: {} is bound twice", name));
    }
    if (std::none_of(ir_.inputs.begin(), ir_.inputs.end(), [&](int id) { return ir_.value(id).name == name; }) &&
        std::none_of(ir_.outputs.begin(), ir_.outputs.end(), [&](const OutputInfo& o) { return o.name == name; })) {
      return Status::InvalidValue(fmt::format("graph: {} is bound, but is no input and no output", name));
    }
  }
  const auto find = [&](const std::string& name) {
    const auto at = std::find_if(tensors.begin(), tensors.end(), [&](const Binding& b) { return b.name == name; });
    return at == tensors.end() ? nullptr : &*at;
  };
  for (const int id : ir_.inputs) KVANT_RETURN_IF_ERROR(BindInput(id, find(ir_.value(id).name)));
  for (const OutputInfo& output : ir_.outputs) {
    const Binding* binding = find(output.name);
    if (binding == nullptr && !returns_outputs) {
      return Status::InvalidValue(fmt::format("graph: output {} is not bound", output.name));
    }
    KVANT_RETURN_IF_ERROR(BindOutput(output, binding));
  }
  return CheckMemory();
}

Status Runner::RunNode(const NodeInfo& node) {
  if (node.op->is_view) return {};
  for (const int id : node.results) {
    const ValueInfo& value = ir_.value(id);
    const int64_t bytes = SpecOfType(value.type).bytes();
    auto& memory = own_[static_cast<size_t>(value.storage)];
    memory = Allocate(bytes);
    if (memory == nullptr)
      return Status::OutOfMemory(fmt::format("no memory for the {} bytes of {}", bytes, value.name));
    base_[static_cast<size_t>(value.storage)] = memory.get();
  }
  std::vector<TensorView> arguments;
  for (const int id : node.arguments) arguments.push_back(id < 0 ? TensorView() : View(id));
  Call call(*node.op, node.attributes, std::move(arguments));
  for (size_t i = 0; i < node.results.size(); ++i) call.AddResult(node.result_names[i], View(node.results[i]));
  return node.op->run(call, exec_);
}

Status Runner::RunNodes() {
  const int end = static_cast<int>(ir_.nodes.size());
  const auto use = [&](int id, int at) { last_use_[static_cast<size_t>(ir_.storage(id))] = at; };
  for (int i = 0; i < end; ++i) {
    const NodeInfo& node = ir_.nodes[static_cast<size_t>(i)];
    for (const int id : node.arguments) {
      if (id >= 0) use(id, i);
    }
    for (const int id : node.results) use(id, i);
  }
  for (const OutputInfo& o : ir_.outputs) use(o.value, end);
  for (const WriteBackInfo& w : ir_.write_backs) use(w.value, end);
  for (int i = 0; i < end; ++i) {
    const NodeInfo& node = ir_.nodes[static_cast<size_t>(i)];
    if (Status s = RunNode(node); !s.ok()) {
      return Status(s.code(), fmt::format("graph: node {}: {}", node.name, s.message()));
    }
    for (size_t storage = 0; storage < own_.size(); ++storage) {
      if (last_use_[storage] == i) own_[storage].reset();
    }
  }
  return {};
}

Status Runner::Finish(std::vector<Tensor>* outputs) {
  std::vector<Tensor> returned;
  for (size_t i = 0; i < ir_.outputs.size(); ++i) {
    if (outputs_[i].present()) continue;
    Tensor tensor;
    tensor.name_ = ir_.outputs[i].name;
    tensor.spec_ = SpecOfType(ir_.value(ir_.outputs[i].value).type);
    tensor.data_ = Allocate(tensor.spec_.bytes());
    if (tensor.data_ == nullptr) {
      return Status::OutOfMemory(
          fmt::format("graph: no memory for the {} bytes of output {}", tensor.spec_.bytes(), tensor.name_));
    }
    outputs_[i] = tensor.view();
    returned.push_back(std::move(tensor));
  }
  for (size_t i = 0; i < ir_.outputs.size(); ++i) {
    scatter_update::CopyTensor(outputs_[i], View(ir_.outputs[i].value), exec_);
  }
  for (const WriteBackInfo& w : ir_.write_backs) scatter_update::CopyTensor(View(w.input), View(w.value), exec_);
  if (outputs != nullptr) *outputs = std::move(returned);
  return {};
}

Status Run(const Graph& graph, const std::vector<Binding>& tensors, std::vector<Tensor>* outputs,
           const ExecOptions& exec) {
  KVANT_RETURN_IF_ERROR(graph.status());
  Runner runner(graph.ir(), exec);
  KVANT_RETURN_IF_ERROR(runner.Bind(tensors, outputs != nullptr));
  KVANT_RETURN_IF_ERROR(runner.RunNodes());
  return runner.Finish(outputs);
}

}  // namespace kvant::graph
