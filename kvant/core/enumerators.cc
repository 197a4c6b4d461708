#include "kvant/core/enumerators.h"

#include <fmt/format.h>

namespace kvant {

Status CheckNumber(std::string_view op, std::string_view name, int64_t value, int64_t first, int64_t last) {
  if (value >= first && value <= last) return {};
  return Status::InvalidValue(fmt::format("{}: {} is {}, expected {} to {}", op, name, value, first, last));
}

}  // namespace kvant
