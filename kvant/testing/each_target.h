// A test's body on every SIMD target of this build and CPU.
#ifndef KVANT_TESTING_EACH_TARGET_H_
#define KVANT_TESTING_EACH_TARGET_H_

#include <gtest/gtest.h>

#include <string>

#include "kvant/testing/pools.h"

namespace kvant::testing {

// Calls f once on each target, the scalar reference among them, under a trace that names it.
template <class Function>
void OnEachTarget(const Function& f) {
  for (const Target target : SupportedTargets()) {
    SCOPED_TRACE(std::string(Name(target)));
    const ScopedTarget scoped(target);
    f();
  }
}

}  // namespace kvant::testing

#endif  // KVANT_TESTING_EACH_TARGET_H_
