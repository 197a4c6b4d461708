// How to run an operator, as opposed to what to compute: nothing here changes a result.
#ifndef KVANT_CORE_EXEC_H_
#define KVANT_CORE_EXEC_H_

#include <cstddef>

#include "kvant/core/parallel.h"

namespace kvant {

// Whether results bypass the cache. kAuto streams only results that are larger than what a consumer would still find
// in cache (see rowwise/cpu_tuning.h).
enum class Stores : unsigned char { kAuto, kNormal, kStreaming };

struct ExecOptions {
  const ParallelFor* parallel = nullptr;  // null: DefaultParallelFor()
  void* workspace = nullptr;              // null: the call allocates what it needs, if anything
  size_t workspace_bytes = 0;
  Stores stores = Stores::kAuto;
};

}  // namespace kvant

#endif  // KVANT_CORE_EXEC_H_
