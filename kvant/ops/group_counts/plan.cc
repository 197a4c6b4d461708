#include <fmt/core.h>

#include <cstdint>
#include <string_view>

#include "kvant/core/visit.h"
#include "kvant/ops/group_counts/rules.h"

namespace kvant {
namespace {

int64_t At(const ConstTensorView& t, int64_t i) {
  const int64_t at = i * t.stride(0);
  return t.dtype() == DType::kInt64 ? static_cast<const int64_t*>(t.data())[at]
                                    : static_cast<const int32_t*>(t.data())[at];
}
void Put(const TensorView& t, int64_t i, int64_t value) {
  VisitIndex(t.dtype(), [&](auto kind) {
    using T = decltype(kind);
    static_cast<T*>(t.data())[i * t.stride(0)] = static_cast<T>(value);
  });
}
int64_t Most(const ConstTensorView& t) { return t.dtype() == DType::kInt64 ? INT64_MAX : INT32_MAX; }

Status TooLarge(std::string_view op, NamedTensor t, int64_t i, std::string_view value) {
  return Status::OutOfRange(
      fmt::format("{}: {}[{}] would be {}, more than {} can hold", op, t.name, i, value, Name(t.tensor.dtype())));
}

}  // namespace

Status CountsFromEnds(const ConstTensorView& ends, const TensorView& counts) {
  constexpr std::string_view kOp = "counts_from_ends";
  const ConstTensorView counts_view = counts;
  const NamedTensor to = {"counts", counts_view};
  KVANT_RETURN_IF_ERROR(group_counts::Check(kOp, {"ends", ends}, to));
  for (int64_t i = 0, previous = 0; i < ends.shape(0); ++i) {
    const int64_t end = At(ends, i);
    if (end < previous) {
      return Status::OutOfRange(
          i == 0 ? fmt::format("{}: ends[0] is {}, a row cannot be negative", kOp, end)
                 : fmt::format("{}: ends[{}] is {}, but ends[{}] is {}: cumulative end rows cannot decrease", kOp, i,
                               end, i - 1, previous));
    }
    if (end - previous > Most(counts)) return TooLarge(kOp, to, i, std::to_string(end - previous));
    previous = end;
  }
  for (int64_t i = 0, previous = 0; i < ends.shape(0); ++i) {
    const int64_t end = At(ends, i);
    Put(counts, i, end - previous);
    previous = end;
  }
  return {};
}

Status EndsFromCounts(const ConstTensorView& counts, const TensorView& ends) {
  constexpr std::string_view kOp = "ends_from_counts";
  const ConstTensorView ends_view = ends;
  const NamedTensor to = {"ends", ends_view};
  KVANT_RETURN_IF_ERROR(group_counts::Check(kOp, {"counts", counts}, to));
  int64_t sum = 0;
  for (int64_t i = 0; i < counts.shape(0); ++i) {
    const int64_t count = At(counts, i);
    if (count < 0) {
      return Status::OutOfRange(
          fmt::format("{}: counts[{}] is {}, a number of rows cannot be negative", kOp, i, count));
    }
    if (count > Most(ends) - sum) return TooLarge(kOp, to, i, fmt::format("{} + {}", sum, count));
    sum += count;
  }
  sum = 0;
  for (int64_t i = 0; i < counts.shape(0); ++i) Put(ends, i, sum += At(counts, i));
  return {};
}

}  // namespace kvant
