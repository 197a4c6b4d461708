#include "kvant/core/parallel.h"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace kvant {
namespace {

void RunSerially(void*, int tasks, void (*body)(void*, int), void* arg) {
  for (int t = 0; t < tasks; ++t) body(arg, t);
}

#ifdef _OPENMP
void RunWithOpenMp(void*, int tasks, void (*body)(void*, int), void* arg) {
#pragma omp parallel for num_threads(tasks) schedule(static, 1)
  for (int t = 0; t < tasks; ++t) body(arg, t);
}
#endif

}  // namespace

const ParallelFor& SerialFor() {
  static constexpr ParallelFor kSerial{1, nullptr, RunSerially};
  return kSerial;
}

ParallelFor DefaultParallelFor() {
#ifdef _OPENMP
  return {omp_in_parallel() ? 1 : omp_get_max_threads(), nullptr, RunWithOpenMp};
#else
  return SerialFor();
#endif
}

}  // namespace kvant
