#include "kvant/graph/ir.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "kvant/rowwise/rules.h"

namespace kvant::graph {
namespace {

constexpr int64_t kMostBytes = int64_t{1} << 48;

// Addresses for tensors while shapes are inferred: those of one storage lie at one place, different storages apart, so
// that the operators' own checks find what shares memory.
class Addresses {
 public:
  TensorView View(const ValueInfo& value) {
    const auto [place, is_new] = at_.try_emplace(value.storage, 0);
    if (is_new) {
      int64_t before = 0, after = 0;
      Reach(value.type, &before, &after);
      place->second = next_ + before;
      next_ = (place->second + after + 127) / 64 * 64;
    }
    void* data = reinterpret_cast<void*>(place->second);  // NOLINT(performance-no-int-to-ptr): nobody looks there
    return {data, value.type.dtype, value.type.shape, value.type.strides};
  }

 private:
  std::map<int, int64_t> at_;
  int64_t next_ = 4096;
};

}  // namespace

bool Ir::IsInput(int id) const { return std::find(inputs.begin(), inputs.end(), id) != inputs.end(); }

bool Ir::IsName(std::string_view name) const {
  return std::any_of(inputs.begin(), inputs.end(), [&](int id) { return value(id).name == name; }) ||
         std::any_of(nodes.begin(), nodes.end(), [&](const NodeInfo& n) { return n.name == name; });
}

std::string Ir::FreeName(std::string_view wanted) const {
  std::string name(wanted);
  for (int i = 2; IsName(name); ++i) name = fmt::format("{}{}", wanted, i);
  return name;
}

TensorType DenseType(DType dtype, std::span<const int64_t> shape) {
  TensorType type{dtype, {shape.begin(), shape.end()}, std::vector<int64_t>(shape.size())};
  const ConstTensorView dense(nullptr, dtype, shape);
  std::copy_n(dense.strides().begin(), dense.strides().size(), type.strides.begin());
  return type;
}

bool Reach(const TensorType& type, int64_t* before, int64_t* after) {
  const int64_t bytes = ByteSize(type.dtype);
  int64_t low = 0, high = 1, elements = 1;
  for (size_t d = 0; d < type.shape.size(); ++d) {
    const int64_t extent = std::max<int64_t>(type.shape[d], 1);
    int64_t last;
    if (__builtin_mul_overflow(elements, extent, &elements) || elements > kMostBytes / bytes) return false;
    if (__builtin_mul_overflow(extent - 1, type.strides[d], &last)) return false;
    if (last < 0 ? __builtin_sub_overflow(low, last, &low) : __builtin_add_overflow(high, last, &high)) return false;
    if (low > kMostBytes / bytes || high > kMostBytes / bytes) return false;
  }
  *before = low * bytes;
  *after = high * bytes;
  return true;
}

bool ViewStrides(const TensorType& type, const std::vector<int64_t>& shape, std::vector<int64_t>* strides) {
  *strides = DenseType(type.dtype, shape).strides;
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return true;
  // Runs of equally spaced elements, innermost first.
  struct Run {
    int64_t elements, step;
  };
  std::vector<Run> runs;
  for (size_t d = type.shape.size(); d-- > 0;) {
    const int64_t extent = type.shape[d], stride = type.strides[d];
    if (extent == 1) continue;
    if (!runs.empty() && stride == runs.back().step * runs.back().elements) {
      runs.back().elements *= extent;
    } else {
      runs.push_back({extent, stride});
    }
  }
  // Each is cut into dimensions of its own.
  size_t run = 0;
  for (size_t d = shape.size(); d-- > 0;) {
    if (shape[d] == 1) continue;
    Run& r = runs[run];
    if (r.elements % shape[d] != 0) return false;
    (*strides)[d] = r.step;
    r.step *= shape[d];
    r.elements /= shape[d];
    if (r.elements == 1) ++run;
  }
  return true;
}

Status Insert(Ir* ir, size_t position, const OpDef& op, std::string name, std::vector<int> arguments,
              Call::Attributes attributes, NodeInfo* added) {
  Addresses addresses;
  std::vector<TensorView> views;
  for (const int id : arguments) views.push_back(id < 0 ? TensorView() : addresses.View(ir->value(id)));
  std::vector<Result> results;
  KVANT_RETURN_IF_ERROR(op.infer(Call(op, attributes, views), &results));

  NodeInfo node;
  node.op = &op;
  node.arguments = std::move(arguments);
  node.attributes = std::move(attributes);
  for (const Result& result : results) {
    const std::string full = results.size() == 1 ? name : fmt::format("{}.{}", name, result.name);
    ValueInfo value{full, DenseType(result.spec), -1};
    int64_t before, after;
    if (op.is_view) {
      const ValueInfo& of = ir->value(node.arguments.front());
      if (!ViewStrides(of.type, value.type.shape, &value.type.strides)) {
        return Status::InvalidValue(fmt::format("{}: x of shape {} and strides {} cannot be seen as {} without a copy",
                                                op.name, ShapeText(of.type.shape), ShapeText(of.type.strides),
                                                ShapeText(value.type.shape)));
      }
      value.storage = of.storage;
    } else if (!Reach(value.type, &before, &after)) {
      return Status::InvalidValue(fmt::format("{}: {} would have shape {}, of more than 2^48 bytes", op.name,
                                              result.name, ShapeText(value.type.shape)));
    } else {
      value.storage = ir->storages++;
    }
    node.results.push_back(static_cast<int>(ir->values.size()));
    node.result_names.push_back(result.name);
    ir->values.push_back(std::move(value));
  }
  node.name = std::move(name);
  node.id = ir->next_node++;
  *added = node;
  ir->nodes.insert(ir->nodes.begin() + static_cast<int64_t>(position), std::move(node));
  return {};
}

}  // namespace kvant::graph
