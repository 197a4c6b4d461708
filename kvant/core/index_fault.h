// What can be wrong with the values of indices and group boundaries, as plain data that a CUDA thread can leave behind,
// and as the error that a caller reads.
#ifndef KVANT_CORE_INDEX_FAULT_H_
#define KVANT_CORE_INDEX_FAULT_H_

#include <cstdint>
#include <string_view>

#include "kvant/core/status.h"

namespace kvant {

enum class FaultKind : int32_t {
  kNone,
  // indices[position] is `value`, where `bound` values from 0 on are legal. kPairFirst, kPairStart: of a pair.
  kStart,
  kSlot,
  kPairFirst,
  kPairStart,
  // group_index[position], cumulative end rows, of x with `rows` rows: outside them; less than `bound`, the one before;
  // the last one is not `rows`; there are none.
  kEndOutside,
  kEndDecreases,
  kEndsShort,
  kEndsEmpty,
  // group_index[position] or, of pairs, its second element: a number of rows that is negative; more than the `bound`
  // rows that are left of `rows`.
  kCountNegative,
  kPairCountNegative,
  kCountTooLarge,
  kPairCountTooLarge,
  // group_index[position, 0], a parameter row: not within the `bound` there are, or, with a bound of -1, negative.
  kParameterRow,
};

struct IndexFault {
  FaultKind kind = FaultKind::kNone;
  int64_t position = 0;
  int64_t value = 0;
  int64_t bound = 0;
  int64_t rows = 0;
};

// kOutOfRange with a message that names the operator; ok for kNone.
Status Describe(std::string_view op, const IndexFault& fault);

}  // namespace kvant

#endif  // KVANT_CORE_INDEX_FAULT_H_
