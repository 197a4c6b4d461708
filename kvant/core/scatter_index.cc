#include "kvant/core/scatter_index.h"

#include <fmt/core.h>

#include <string>

namespace kvant {
namespace {

constexpr int64_t kPadding = -1;

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
      geometry_(geometry) {}

bool ScatterIndex::IsPadding(int64_t i) const {
  const int64_t value = Load(i * stride_);
  switch (geometry_.mode) {
    case IndexMode::kSlot:
      return value == kPadding;
    case IndexMode::kPair:
      return value == kPadding || Load(i * stride_ + component_stride_) == kPadding;
    default:
      return false;
  }
}

Status ScatterIndex::Check(std::string_view op, ScatterFacts* facts) const {
  ScatterFacts found;
  // Where the update before ends. Batch updates never meet.
  ScatterPlace next = {0, 0};
  for (int64_t i = 0; i < geometry_.updates; ++i) {
    ScatterPlace place;
    if (!Decode(i, &place)) {
      if (policy_ == IndexPolicy::kError && !IsPadding(i)) return Describe(op, i);
      found.skips = true;
      continue;
    }
    found.ascending &= place.first > next.first || (place.first == next.first && place.start >= next.start);
    next = {place.first, place.start + geometry_.length};
  }
  if (facts != nullptr) *facts = found;
  return {};
}

Status ScatterIndex::Describe(std::string_view op, int64_t i) const {
  int64_t value = Load(i * stride_);
  uint64_t legal = geometry_.mode == IndexMode::kSlot ? slots_ : starts_;
  std::string at = fmt::format("{}", i);
  if (geometry_.mode == IndexMode::kPair) {
    const bool first_is_legal = static_cast<uint64_t>(value) < static_cast<uint64_t>(geometry_.firsts);
    if (first_is_legal) {
      value = Load(i * stride_ + component_stride_);
    } else {
      legal = static_cast<uint64_t>(geometry_.firsts);
    }
    at += first_is_legal ? ", 1" : ", 0";
  }
  const std::string range = legal == 0 ? "nothing" : legal == 1 ? "0" : fmt::format("0 to {}", legal - 1);
  return Status::OutOfRange(fmt::format("{}: indices[{}] is {}, expected {}{}", op, at, value, range,
                                        geometry_.mode == IndexMode::kBatch ? "" : ", or -1 for padding"));
}

}  // namespace kvant
