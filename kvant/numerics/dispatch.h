// From a Target to the namespace that foreach_target compiled for it. For use under HWY_ONCE, after all targets.
#ifndef KVANT_NUMERICS_DISPATCH_H_
#define KVANT_NUMERICS_DISPATCH_H_

#include "hwy/highway.h"
#include "kvant/core/target.h"

#if HWY_TARGETS & HWY_AVX3
#define KVANT_CASE_AVX3(call) \
  case Target::kAVX3_DL:      \
  case Target::kAVX3:         \
    return N_AVX3::call;
#else
#define KVANT_CASE_AVX3(call)
#endif
#if HWY_TARGETS & HWY_AVX2
#define KVANT_CASE_AVX2(call) \
  case Target::kAVX2:         \
    return N_AVX2::call;
#else
#define KVANT_CASE_AVX2(call)
#endif
#if HWY_TARGETS & HWY_NEON
#define KVANT_CASE_NEON(call) \
  case Target::kNEON:         \
    return N_NEON::call;
#else
#define KVANT_CASE_NEON(call)
#endif
#if HWY_TARGETS & HWY_SVE
#define KVANT_CASE_SVE(call) \
  case Target::kSVE:         \
    return N_SVE::call;
#else
#define KVANT_CASE_SVE(call)
#endif
#if HWY_TARGETS & HWY_SVE2
#define KVANT_CASE_SVE2(call) \
  case Target::kSVE2:         \
    return N_SVE2::call;
#else
#define KVANT_CASE_SVE2(call)
#endif
#if HWY_TARGETS & HWY_SVE_256
#define KVANT_CASE_SVE_256(call) \
  case Target::kSVE_256:         \
    return N_SVE_256::call;
#else
#define KVANT_CASE_SVE_256(call)
#endif
#if HWY_TARGETS & HWY_SVE2_128
#define KVANT_CASE_SVE2_128(call) \
  case Target::kSVE2_128:         \
    return N_SVE2_128::call;
#else
#define KVANT_CASE_SVE2_128(call)
#endif

// Returns `call` of the namespace of `target`, or `fallback` for the scalar reference.
#define KVANT_RETURN_FOR_TARGET(target, call, fallback) \
  switch (target) {                                     \
    KVANT_CASE_AVX3(call)                               \
    KVANT_CASE_AVX2(call)                               \
    KVANT_CASE_NEON(call)                               \
    KVANT_CASE_SVE(call)                                \
    KVANT_CASE_SVE2(call)                               \
    KVANT_CASE_SVE_256(call)                            \
    KVANT_CASE_SVE2_128(call)                           \
    default:                                            \
      return fallback;                                  \
  }

#endif  // KVANT_NUMERICS_DISPATCH_H_
