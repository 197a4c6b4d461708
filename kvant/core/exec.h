// How to run an operator, as opposed to what to compute: nothing here changes a result.
#ifndef KVANT_CORE_EXEC_H_
#define KVANT_CORE_EXEC_H_

#include <algorithm>
#include <cstddef>

#include "kvant/core/parallel.h"

namespace kvant {

// Whether results bypass the cache. kAuto streams only results that are larger than what a consumer would still find
// in cache (see rowwise/cpu_tuning.h).
enum class Stores : unsigned char { kAuto, kNormal, kStreaming };
constexpr Stores LastOf(Stores) { return Stores::kStreaming; }

struct ExecOptions {
  const ParallelFor* parallel = nullptr;  // null: DefaultParallelFor()
  // Apart from all tensors, aligned as malloc does. Null or too small: the call allocates what it needs, if anything.
  void* workspace = nullptr;
  size_t workspace_bytes = 0;
  Stores stores = Stores::kAuto;
};

// How many tasks are worth making, at least 1.
inline int NumThreads(const ExecOptions& exec) {
  const ParallelFor parallel = exec.parallel == nullptr ? DefaultParallelFor() : *exec.parallel;
  return parallel.run == nullptr ? 1 : std::max(parallel.num_threads, 1);
}

// Calls body(arg, t) for every t in [0, tasks), on exec's threads; a single task on the caller's.
inline void RunTasks(const ExecOptions& exec, int tasks, void (*body)(void* arg, int task), void* arg) {
  if (tasks == 1) return body(arg, 0);
  const ParallelFor fallback = exec.parallel == nullptr ? DefaultParallelFor() : ParallelFor{};
  const ParallelFor& parallel = exec.parallel == nullptr ? fallback : *exec.parallel;
  parallel.run(parallel.pool, tasks, body, arg);
}

}  // namespace kvant

#endif  // KVANT_CORE_EXEC_H_
