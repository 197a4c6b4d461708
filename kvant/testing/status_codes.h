// Short names of the codes that tests of rules expect; in namespace kvant, where those tests are.
#ifndef KVANT_TESTING_STATUS_CODES_H_
#define KVANT_TESTING_STATUS_CODES_H_

#include "kvant/core/status.h"

namespace kvant {

inline constexpr StatusCode kValue = StatusCode::kInvalidValue;
inline constexpr StatusCode kType = StatusCode::kInvalidType;
inline constexpr StatusCode kRange = StatusCode::kOutOfRange;

}  // namespace kvant

#endif  // KVANT_TESTING_STATUS_CODES_H_
