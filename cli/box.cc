#include "cli/box.h"

namespace kvant::cli {
namespace {

// Sizes and costs count an empty dimension as 1: an empty row has a scale all the same.
int64_t AtLeastOne(int64_t n) { return std::max<int64_t>(n, 1); }

// The place of an empty box may lie past the end of what is stored.
ParamRange Range(int64_t first, int64_t count) { return {count == 0 ? 0 : first, count}; }

}  // namespace

Box WholeTensor(std::span<const int64_t> shape, QuantMode mode) {
  Box box;
  box.size = {1, 1, 1};
  const auto rank = static_cast<int64_t>(shape.size());
  for (int64_t d = 0; d < rank; ++d) {
    const int64_t from_end = rank - d;
    const int into = from_end == 1 ? 2 : mode == QuantMode::kPerChannel && from_end > 2 ? 0 : 1;
    box.size[into] *= shape[d];
  }
  return box;
}

std::array<int64_t, 3> PieceSize(const Box& box, int64_t unit, int64_t max_elements) {
  const int64_t columns = AtLeastOne(box.columns()), rows = AtLeastOne(box.rows()), batches = AtLeastOne(box.batches());
  if (columns > max_elements) {
    const int64_t step = AtLeastOne(max_elements / unit) * unit;
    if (step < columns) return {1, 1, step};
  }
  const int64_t some_rows = std::min(rows, AtLeastOne(max_elements / columns));
  if (some_rows < rows) return {1, some_rows, columns};
  return {std::min(batches, AtLeastOne(max_elements / columns / rows)), rows, columns};
}

std::array<int64_t, 3> DomainSize(const Box& tensor, QuantMode mode, int64_t group_size, int64_t max_elements) {
  const int64_t columns = AtLeastOne(tensor.columns()), rows = AtLeastOne(tensor.rows());
  switch (mode) {
    case QuantMode::kPerTensor:
      return {AtLeastOne(tensor.batches()), rows, columns};
    case QuantMode::kPerChannel:
      if (columns > max_elements) return {1, rows, max_elements};
      return {std::min(AtLeastOne(tensor.batches()), AtLeastOne(max_elements / columns / rows)), rows, columns};
    case QuantMode::kPerToken:
      break;
  }
  return PieceSize(tensor, group_size > 0 ? group_size : columns, max_elements);
}

ParamRange ParamsOf(const Box& tensor, const Box& box, QuantMode mode, int64_t group_size) {
  switch (mode) {
    case QuantMode::kPerTensor:
      return {0, 1};
    case QuantMode::kPerChannel:
      return Range(box.first[0] * tensor.columns() + box.first[2], box.batches() * box.columns());
    case QuantMode::kPerToken:
      break;
  }
  if (group_size == 0) return Range(box.first[1], box.rows());
  return Range(box.first[1] * (tensor.columns() / group_size) + box.first[2] / group_size,
               box.rows() * (box.columns() / group_size));
}

}  // namespace kvant::cli
