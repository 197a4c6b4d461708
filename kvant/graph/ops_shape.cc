// What is not an operator of kvant's own: view and neg.
#include <fmt/core.h>

#include "kvant/graph/op_def.h"
#include "kvant/ops/scatter_update/copy.h"
#include "kvant/rowwise/rules.h"

namespace kvant::graph {
namespace {

Status InferView(const Call& c, std::vector<Result>* results) {
  const ConstTensorView& x = c.In("x");
  const std::vector<int64_t>& shape = c.Ints("shape");
  if (shape.size() > static_cast<size_t>(kMaxRank)) {
    return Status::InvalidValue(
        fmt::format("view: shape has {} dimensions, at most {} are supported", shape.size(), kMaxRank));
  }
  TensorSpec spec;
  spec.dtype = x.dtype();
  int64_t elements = 1;
  for (const int64_t extent : shape) {
    if (extent < 0) {
      return Status::InvalidValue(
          fmt::format("view: shape is {}, a size cannot be negative", ShapeText(c.Ints("shape"))));
    }
    if (__builtin_mul_overflow(elements, extent, &elements)) elements = INT64_MAX;
    spec.shape[spec.rank++] = extent;
  }
  if (elements != x.elements()) {
    return Status::InvalidValue(fmt::format("view: shape is {}, of {} elements, but x has shape {}, of {}",
                                            ShapeText(shape), elements, ShapeText(x.shape()), x.elements()));
  }
  *results = {{"y", spec}};
  return {};
}

Status InferNeg(const Call& c, std::vector<Result>* results) {
  KVANT_RETURN_IF_ERROR(CheckFloat("neg", {"x", c.In("x")}));
  *results = {{"y", SpecOf(c.In("x"))}};
  return {};
}

template <class Word>
void FlipSigns(void* data, int64_t n) {
  auto* words = static_cast<Word*>(data);
  for (int64_t i = 0; i < n; ++i) words[i] = static_cast<Word>(words[i] ^ Word{1} << (sizeof(Word) * 8 - 1));
}

// The sign bit flipped, of zeros and NaNs too.
Status RunNeg(const Call& c, const ExecOptions& exec) {
  const TensorView y = c.Out("y");  // without gaps
  scatter_update::CopyTensor(y, c.In("x"), exec);
  if (ByteSize(y.dtype()) == 2) {
    FlipSigns<uint16_t>(y.data(), y.elements());
  } else {
    FlipSigns<uint32_t>(y.data(), y.elements());
  }
  return {};
}

}  // namespace

void AddShapeOps(std::vector<OpDef>* ops) {
  ops->push_back({"view", {{"x"}}, {{"shape", AttributeKind::kInts, std::nullopt, true}}, InferView, nullptr, true});
  ops->push_back({"neg", {{"x"}}, {}, InferNeg, RunNeg});
}

}  // namespace kvant::graph
