#include "kvant/rowwise/scatter_rules.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "kvant/core/enumerators.h"

namespace kvant {
namespace {

std::string Range(int low, int high) {
  return low == high ? fmt::format("{}", low) : fmt::format("{} to {}", low, high);
}

Status CheckAxis(const ScatterInputs& in, int* axis) {
  const int rank = in.self.tensor.rank(), least = in.whole_rows ? 3 : 2;
  if (rank < least) {
    return Status::InvalidValue(fmt::format("{}: {} has shape {}, expected at least {} dimensions", in.op, in.self.name,
                                            ShapeText(in.self.tensor.shape()), least));
  }
  const int last = rank - (in.whole_rows ? 2 : 1);
  *axis = in.axis < 0 ? in.axis + rank : in.axis;
  if (*axis >= 1 && *axis <= last) return {};
  return Status::InvalidValue(
      fmt::format("{}: axis is {}, expected {} or {}", in.op, in.axis, Range(1, last), Range(1 - rank, last - rank)));
}

Status CheckIndices(const ScatterInputs& in) {
  const ConstTensorView& indices = in.indices;
  KVANT_RETURN_IF_ERROR(CheckPresent(in.op, {"indices", indices}));
  KVANT_RETURN_IF_ERROR(CheckIndex(in.op, {"indices", indices}));
  const bool pairs = *in.index_mode == IndexMode::kPair;
  if (pairs ? indices.rank() == 2 && indices.shape(1) == 2 : indices.rank() == 1) return {};
  return Status::InvalidValue(fmt::format("{}: indices has shape {}, expected {} for index_mode {}", in.op,
                                          ShapeText(indices.shape()), pairs ? "[n, 2]" : "[n]", Name(*in.index_mode)));
}

// updates has the dimensions of self, n in place of the first and, but for slots, anything along the axis.
Status CheckUpdates(const ScatterInputs& in, const ScatterGeometry& g) {
  const ConstTensorView &self = in.self.tensor, &updates = in.updates.tensor;
  const bool slots = g.mode == IndexMode::kSlot;
  TensorSpec wanted;
  wanted.shape[wanted.rank++] = g.updates;
  for (int d = 1; d < self.rank(); ++d) {
    if (d == g.axis && slots) continue;
    const bool free = d == g.axis && updates.rank() == self.rank();
    const int64_t codes = d == self.rank() - 1 ? in.codes_per_element : 1;
    wanted.shape[wanted.rank++] = free ? updates.shape(d) : self.shape(d) * codes;
  }
  const auto shape = updates.shape(), expected = wanted.dims();
  if (!std::equal(shape.begin(), shape.end(), expected.begin(), expected.end())) {
    return Status::InvalidValue(
        fmt::format("{}: {} has shape {}, expected {} to match indices of shape {} and {} of "
                    "shape {}",
                    in.op, in.updates.name, ShapeText(shape), ShapeText(expected), ShapeText(in.indices.shape()),
                    in.self.name, ShapeText(self.shape())));
  }
  if (!slots && updates.shape(g.axis) > self.shape(g.axis)) {
    const std::string name = in.gathers ? "length" : fmt::format("{}.shape[{}]", in.updates.name, g.axis);
    return Status::InvalidValue(fmt::format("{}: {} is {}, more than {}.shape[{}] = {}", in.op, name,
                                            updates.shape(g.axis), in.self.name, g.axis, self.shape(g.axis)));
  }
  if (g.mode == IndexMode::kBatch && g.updates > self.shape(0)) {
    return Status::InvalidValue(fmt::format("{}: {}.shape[0] is {}, more than {}.shape[0] = {}", in.op,
                                            in.gathers ? "indices" : in.updates.name, g.updates, in.self.name,
                                            self.shape(0)));
  }
  return {};
}

}  // namespace

Status CheckScatter(const ScatterInputs& in, ScatterGeometry* geometry) {
  if (!in.index_mode.has_value()) {
    return Status::InvalidValue(fmt::format("{}: index_mode is missing, expected batch, pair or slot", in.op));
  }
  KVANT_RETURN_IF_ERROR(CheckEnumerator(in.op, "index_mode", *in.index_mode));
  KVANT_RETURN_IF_ERROR(CheckEnumerator(in.op, "index_policy", in.index_policy));
  KVANT_RETURN_IF_ERROR(CheckPresent(in.op, in.self));
  if (!in.gathers) KVANT_RETURN_IF_ERROR(CheckPresent(in.op, in.updates));
  ScatterGeometry g;
  g.mode = *in.index_mode;
  KVANT_RETURN_IF_ERROR(CheckAxis(in, &g.axis));
  KVANT_RETURN_IF_ERROR(CheckIndices(in));
  g.updates = in.indices.shape(0);
  g.firsts = in.self.tensor.shape(0);
  g.positions = in.self.tensor.shape(g.axis);
  KVANT_RETURN_IF_ERROR(CheckUpdates(in, g));
  g.length = g.mode == IndexMode::kSlot ? 1 : in.updates.tensor.shape(g.axis);
  *geometry = g;
  return {};
}

TensorSpec TableSpec(const ConstTensorView& var, int64_t h, int64_t group_size) {
  TensorSpec spec{};
  for (int d = 0; d < var.rank() - 1; ++d) spec.shape[spec.rank++] = var.shape(d);
  if (group_size != 0) spec.shape[spec.rank++] = h / group_size;
  return spec;
}

ConstTensorView WithDimension(const ConstTensorView& t, int d) {
  std::array<int64_t, kMaxRank> shape{}, strides{};
  const int rank = t.rank() + 1;
  for (int i = 0, from = 0; i < rank; ++i) {
    shape[i] = i == d ? 1 : t.shape(from);
    strides[i] = i == d ? 0 : t.stride(from++);
  }
  const auto count = static_cast<size_t>(rank);
  ConstTensorView more(t.data(), t.dtype(), std::span(shape).first(count), std::span(strides).first(count));
  more.set_device(t.device());
  return more;
}

TensorView CanonicalTable(const ConstTensorView& var, const TensorView& table, bool only_scales) {
  const int rank = var.rank();
  if (!table.present() || rank < 3 || table.rank() > rank || rank > kMaxRank) return table;
  ConstTensorView canonical = table;
  if (table.rank() == rank - 2 && var.shape(-2) == 1) canonical = WithDimension(table, rank - 2);
  if (only_scales && table.rank() == rank && table.shape(-1) == 1) {
    const auto count = static_cast<size_t>(rank - 1);
    canonical = ConstTensorView(table.data(), table.dtype(), table.shape().first(count), table.strides().first(count));
  }
  TensorView writable(table.data(), canonical.dtype(), canonical.shape(), canonical.strides());
  writable.set_device(table.device());
  return writable;
}

Status CheckPackedCache(std::string_view op, NamedTensor var, Format format) {
  const ConstTensorView& t = var.tensor;
  if (CodesPerElement(format, t.dtype()) == 1 || t.shape(-1) <= 1 || t.stride(-1) == 1) return {};
  return Status::InvalidValue(fmt::format("{}: {}.stride(-1) is {}, expected 1: {} is packed along it", op, var.name,
                                          t.stride(-1), Name(format)));
}

}  // namespace kvant
