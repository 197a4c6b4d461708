// Tensors in pieces that fit in memory: a tensor of any rank is seen as [batch, row, column], and worked on box by box.
#ifndef CLI_BOX_H_
#define CLI_BOX_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "kvant/core/status.h"
#include "kvant/rowwise/quant_mode.h"

namespace kvant::cli {

// Part of a tensor, in elements. A box that does not have all columns has one batch, and one row unless quant_mode is
// perchannel; one that does not have all rows has one batch.
struct Box {
  std::array<int64_t, 3> first = {};
  std::array<int64_t, 3> size = {};  // batches, rows, columns

  int64_t batches() const { return size[0]; }
  int64_t rows() const { return size[1]; }
  int64_t columns() const { return size[2]; }
  int64_t elements() const { return size[0] * size[1] * size[2]; }
  bool operator==(const Box&) const = default;
};

// The whole tensor. perchannel reduces over rows, so its leading dimensions are batches; otherwise they are rows.
Box WholeTensor(std::span<const int64_t> shape, QuantMode mode);

// Boxes that each hold whole scales: nothing outside such a box has a part in them. They have at most `max_elements`
// where the mode allows it. `group_size` as in DynamicQuantArgs.
std::array<int64_t, 3> DomainSize(const Box& tensor, QuantMode mode, int64_t group_size, int64_t max_elements);

// Boxes of at most `max_elements`, at least one row or `unit` columns; they begin at multiples of `unit` columns.
std::array<int64_t, 3> PieceSize(const Box& box, int64_t unit, int64_t max_elements);

// Calls f(const Box&) -> Status for the parts of `whole` that are `size` large, or less at the ends; memory order.
template <class F>
Status ForEachBox(const Box& whole, const std::array<int64_t, 3>& size, F&& f) {
  std::array<int64_t, 3> count;
  // A box without elements is one part: its scales are results too.
  for (int d = 0; d < 3; ++d) count[d] = std::max<int64_t>((whole.size[d] + size[d] - 1) / size[d], 1);
  for (int64_t b = 0; b < count[0]; ++b) {
    for (int64_t r = 0; r < count[1]; ++r) {
      for (int64_t c = 0; c < count[2]; ++c) {
        const int64_t at[] = {b * size[0], r * size[1], c * size[2]};
        Box part;
        for (int d = 0; d < 3; ++d) {
          part.first[d] = whole.first[d] + at[d];
          part.size[d] = std::min(size[d], whole.size[d] - at[d]);
        }
        KVANT_RETURN_IF_ERROR(f(static_cast<const Box&>(part)));
      }
    }
  }
  return {};
}

// The same for readers of elements: `whole` in pieces as PieceSize says, none where it has no elements.
template <class F>
Status ForEachPiece(const Box& whole, int64_t unit, int64_t max_elements, F&& f) {
  if (whole.elements() == 0) return {};
  return ForEachBox(whole, PieceSize(whole, unit, max_elements), f);
}

// Calls f(first element, elements) -> Status for the stretches of a box that are contiguous in the tensor; an empty box
// has none.
template <class F>
Status ForEachRun(const Box& tensor, const Box& box, F&& f) {
  if (box.elements() == 0) return {};
  const bool all_columns = box.columns() == tensor.columns();
  const bool one_run = all_columns && (box.rows() == tensor.rows() || box.batches() == 1);
  const int64_t runs = one_run ? 1 : all_columns ? box.batches() : box.batches() * box.rows();
  const int64_t rows_per_run = all_columns ? box.rows() : 1;
  for (int64_t i = 0; i < runs; ++i) {
    const int64_t batch = box.first[0] + i * rows_per_run / box.rows();
    const int64_t row = box.first[1] + i * rows_per_run % box.rows();
    const int64_t first = (batch * tensor.rows() + row) * tensor.columns() + box.first[2];
    KVANT_RETURN_IF_ERROR(f(first, box.elements() / runs));
  }
  return {};
}

// Which scales belong to a box: `count` of them from `first` on, which is 0 where there are none.
struct ParamRange {
  int64_t first = 0, count = 1;
};
ParamRange ParamsOf(const Box& tensor, const Box& box, QuantMode mode, int64_t group_size);

}  // namespace kvant::cli

#endif  // CLI_BOX_H_
