// How an operator spreads work over threads: the caller's pool, or the library's default.
#ifndef KVANT_CORE_PARALLEL_H_
#define KVANT_CORE_PARALLEL_H_

namespace kvant {

// A caller's thread pool. `run` calls body(arg, t) once for every t in [0, tasks), on any threads and in any order,
// and returns when all calls have. `num_threads` says how many tasks are worth making; below 1, and without a `run`,
// the caller's thread does all.
struct ParallelFor {
  int num_threads = 1;
  void* pool = nullptr;
  void (*run)(void* pool, int tasks, void (*body)(void* arg, int task), void* arg) = nullptr;
};

// One thread: the caller's.
const ParallelFor& SerialFor();

// OpenMP with omp_get_max_threads() threads when the library was built with it, else SerialFor().
ParallelFor DefaultParallelFor();

}  // namespace kvant

#endif  // KVANT_CORE_PARALLEL_H_
