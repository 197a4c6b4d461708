#include "kvant/core/scatter_index.h"

#include <bit>

namespace kvant {
namespace {

// firsts * positions, both at least 0, or 2^63 where that is more than 64-bit values can name.
uint64_t Slots(int64_t firsts, int64_t positions) {
  int64_t slots;
  if (__builtin_mul_overflow(firsts, positions, &slots)) return uint64_t{1} << 63;
  return static_cast<uint64_t>(slots);
}

}  // namespace

ScatterIndex::ScatterIndex(const ConstTensorView& indices, const ScatterGeometry& geometry, IndexPolicy policy)
    : data_(indices.data()),
      stride_(indices.stride(0)),
      component_stride_(geometry.mode == IndexMode::kPair ? indices.stride(1) : 0),
      wide_(indices.dtype() == DType::kInt64),
      policy_(policy),
      starts_(static_cast<uint64_t>(geometry.positions - geometry.length) + 1),
      slots_(Slots(geometry.firsts, geometry.positions)),
      geometry_(geometry) {
  const auto positions = static_cast<uint64_t>(geometry.positions);
  if (std::has_single_bit(positions)) shift_ = std::countr_zero(positions);
}

Status ScatterIndex::Check(std::string_view op, ScatterFacts* facts) const {
  ScatterFacts found;
  // Where the update before ends. Batch updates never meet.
  ScatterPlace next = {0, 0};
  for (int64_t i = 0; i < geometry_.updates; ++i) {
    ScatterPlace place;
    if (!Decode(i, &place)) {
      if (const IndexFault fault = FaultAt(i); fault.kind != FaultKind::kNone) return Describe(op, fault);
      found.skips = true;
      continue;
    }
    found.ascending &= place.first > next.first || (place.first == next.first && place.start >= next.start);
    next = {place.first, place.start + geometry_.length};
  }
  if (facts != nullptr) *facts = found;
  return {};
}

}  // namespace kvant
