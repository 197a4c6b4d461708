// A test's body on every SIMD target of this build and CPU.
#ifndef KVANT_TESTING_EACH_TARGET_H_
#define KVANT_TESTING_EACH_TARGET_H_

#include "kvant/testing/pools.h"

namespace kvant::testing {

// Calls f(target) once on each target, the scalar reference among them.
template <class Function>
void OnEachTarget(const Function& f) {
  for (const Target target : SupportedTargets()) {
    const ScopedTarget scoped(target);
    f(target);
  }
}

}  // namespace kvant::testing

#endif  // KVANT_TESTING_EACH_TARGET_H_
