// Which instruction set the library runs on.
#ifndef KVANT_CORE_TARGET_H_
#define KVANT_CORE_TARGET_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "kvant/core/status.h"

namespace kvant {

// X(enumerator, name)
#define KVANT_TARGET_LIST(X) \
  X(kScalar, "scalar")       \
  X(kAVX2, "avx2")           \
  X(kAVX3, "avx3")           \
  X(kAVX3_DL, "avx3_dl")     \
  X(kNEON, "neon")           \
  X(kSVE, "sve")             \
  X(kSVE2, "sve2")           \
  X(kSVE_256, "sve_256")     \
  X(kSVE2_128, "sve2_128")

enum class Target : uint8_t {
#define KVANT_ROW(id, name) id,
  KVANT_TARGET_LIST(KVANT_ROW)
#undef KVANT_ROW
};

std::string_view Name(Target target);

// The targets this build has and this CPU can run, best first; kScalar, the reference, is always the last.
std::span<const Target> SupportedTargets();

// The target in use: the best one, or the one that the environment variable KVANT_TARGET names. If that variable names
// something this build or CPU does not have, every operator that has code for SIMD targets fails with kUnavailable and
// says so. Those with one form for all run anyway: params_from_minmax, params_from_amax, scatter_update, group_counts.
Status ActiveTarget(Target* target);

// Chooses a target for all later calls of the process, by name ("avx2", "scalar", ...); "auto" undoes it.
Status SetTarget(std::string_view name);

}  // namespace kvant

#endif  // KVANT_CORE_TARGET_H_
