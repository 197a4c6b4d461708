// Runs a graph on the CPU.
#ifndef KVANT_GRAPH_RUN_H_
#define KVANT_GRAPH_RUN_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "kvant/core/exec.h"
#include "kvant/core/status.h"
#include "kvant/core/tensor.h"
#include "kvant/graph/graph.h"

namespace kvant::graph {

// The memory of an input or of an output, by its name. Inputs that the graph writes, and outputs, are writable views.
struct Binding {
  Binding(std::string tensor_name, const TensorView& view)
      : name(std::move(tensor_name)), tensor(view), writable(true) {}
  Binding(std::string tensor_name, const ConstTensorView& view) : name(std::move(tensor_name)), tensor(view) {}

  std::string name;
  ConstTensorView tensor;
  bool writable = false;
};

// An output in memory of its own, row-major.
class Tensor {
 public:
  const std::string& name() const { return name_; }
  TensorView view() const { return {data_.get(), spec_.dtype, spec_.dims()}; }

 private:
  friend class Runner;
  std::string name_;
  TensorSpec spec_;
  std::unique_ptr<std::byte[]> data_;
};

// Runs the nodes one after the other. Inputs have the dtype, shape and strides that the graph was built with, bound
// outputs the dtype and shape and any strides. Outputs that are not bound are returned in `outputs`, in the order of
// AddOutput. Results of nodes live in memory that the call takes and gives back.
//
// What the graph writes (arguments of in-place nodes, write-backs, bound outputs) shares no memory with anything else
// that is bound: that, and everything but values of indices and groups, is checked before the first node runs. A node
// that fails ends the run; in-place nodes before it have written, outputs and write-backs have not been touched.
//
// Fails with the graph's status(), and with
//   kInvalidType   a tensor of another dtype
//   kInvalidValue  a name that is bound twice or that the graph does not have, an input or (with null `outputs`) an
//                  output that is not bound, another shape or other strides, read-only memory for what is written,
//                  shared memory
//   kOutOfMemory   no memory for a result
// and as operators do, with the node's name.
Status Run(const Graph& graph, const std::vector<Binding>& tensors, std::vector<Tensor>* outputs = nullptr,
           const ExecOptions& exec = {});

}  // namespace kvant::graph

#endif  // KVANT_GRAPH_RUN_H_
