#include "kvant/core/index_fault.h"

#include <fmt/core.h>

#include <string>

namespace kvant {
namespace {

// "0 to 7" for 8 legal values.
std::string Legal(int64_t bound) {
  const auto n = static_cast<uint64_t>(bound);
  return n == 0 ? "nothing" : n == 1 ? "0" : fmt::format("0 to {}", n - 1);
}

std::string XHas(int64_t rows) { return fmt::format("but x has {} row{}", rows, rows == 1 ? "" : "s"); }

std::string Text(const IndexFault& f) {
  switch (f.kind) {
    case FaultKind::kStart:
      return fmt::format("indices[{}] is {}, expected {}", f.position, f.value, Legal(f.bound));
    case FaultKind::kSlot:
      return fmt::format("indices[{}] is {}, expected {}, or -1 for padding", f.position, f.value, Legal(f.bound));
    case FaultKind::kPairFirst:
    case FaultKind::kPairStart:
      return fmt::format("indices[{}, {}] is {}, expected {}, or -1 for padding", f.position,
                         f.kind == FaultKind::kPairFirst ? 0 : 1, f.value, Legal(f.bound));
    case FaultKind::kEndOutside:
      return fmt::format("group_index[{}] is {}, outside the 0..{} rows of x", f.position, f.value, f.rows);
    case FaultKind::kEndDecreases:
      return fmt::format("group_index[{}] is {}, but group_index[{}] is {}: cumulative end rows cannot decrease",
                         f.position, f.value, f.position - 1, f.bound);
    case FaultKind::kEndsShort:
      return fmt::format("group_index[{}] is {}, the last end, {}", f.position, f.value, XHas(f.rows));
    case FaultKind::kEndsEmpty:
      return fmt::format("group_index is empty, {}", XHas(f.rows));
    case FaultKind::kCountNegative:
    case FaultKind::kPairCountNegative:
      return fmt::format("group_index[{}{}] is {}, a number of rows cannot be negative", f.position,
                         f.kind == FaultKind::kCountNegative ? "" : ", 1", f.value);
    case FaultKind::kCountTooLarge:
    case FaultKind::kPairCountTooLarge:
      return fmt::format("group_index[{}{}] is {}, but after the groups before it {} of the {} rows of x are left",
                         f.position, f.kind == FaultKind::kCountTooLarge ? "" : ", 1", f.value, f.bound, f.rows);
    case FaultKind::kParameterRow:
      return fmt::format(
          "group_index[{}, 0] is {}, {}", f.position, f.value,
          f.bound < 0 ? "a parameter row cannot be negative" : fmt::format("but there are {} parameter rows", f.bound));
    case FaultKind::kNone:
      break;
  }
  return "";
}

}  // namespace

Status Describe(std::string_view op, const IndexFault& fault) {
  if (fault.kind == FaultKind::kNone) return {};
  return Status::OutOfRange(fmt::format("{}: {}", op, Text(fault)));
}

}  // namespace kvant
