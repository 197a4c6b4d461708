// What tests over all SIMD targets and over large sets of inputs share.
#ifndef KVANT_NUMERICS_TEST_UTIL_H_
#define KVANT_NUMERICS_TEST_UTIL_H_

#include <cstdlib>
#include <string_view>
#include <vector>

#include "kvant/core/parallel.h"
#include "kvant/core/target.h"

namespace kvant {

// The targets of this build and CPU, without the scalar reference.
inline std::vector<Target> SimdTargets() {
  const auto supported = SupportedTargets();
  return {supported.begin(), supported.end() - 1};
}

inline bool IsSet(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0' && std::string_view(value) != "0";
}

// Asks for every one of 2^32 inputs where otherwise a sample is taken.
inline bool LongTests() { return IsSet("KVANT_LONG_TESTS"); }

// Where exhaustive tests would take minutes, and a sample is taken: under emulation, sanitizers and without
// optimization.
inline bool SlowMachine() {
#if !defined(__OPTIMIZE__) || defined(__SANITIZE_ADDRESS__)
  return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
  return true;
#endif
#endif
  return IsSet("KVANT_EMULATED");
}

// Calls f(i) once for every i in [0, n), spread over the default threads.
template <class Function>
void ParallelEach(int n, const Function& f) {
  const ParallelFor parallel = DefaultParallelFor();
  struct Job {
    const Function& f;
    int n, threads;
  } job{f, n, parallel.num_threads};
  const auto body = [](void* arg, int thread) {
    const Job& j = *static_cast<const Job*>(arg);
    for (int i = thread; i < j.n; i += j.threads) j.f(i);
  };
  parallel.run(parallel.pool, job.threads, body, &job);
}

}  // namespace kvant

#endif  // KVANT_NUMERICS_TEST_UTIL_H_
