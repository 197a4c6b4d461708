// Enumerators that a caller made from a number, which may name none.
#ifndef KVANT_CORE_ENUMERATORS_H_
#define KVANT_CORE_ENUMERATORS_H_

#include <cstdint>
#include <string_view>

#include "kvant/core/status.h"

namespace kvant {

// Fails unless first <= value <= last: "dynamic_quant: dst_type is 9, expected 0 to 4".
Status CheckNumber(std::string_view op, std::string_view name, int64_t value, int64_t first, int64_t last);

// The same of an enumeration, whose header says what LastOf() it is.
template <class Enum>
Status CheckEnumerator(std::string_view op, std::string_view name, Enum value) {
  return CheckNumber(op, name, static_cast<int64_t>(value), 0, static_cast<int64_t>(LastOf(value)));
}

}  // namespace kvant

#endif  // KVANT_CORE_ENUMERATORS_H_
