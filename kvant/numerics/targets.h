// Which SIMD targets are compiled: included before hwy/foreach_target.h. SSE targets run the scalar reference (no fma);
// AVX3_DL has a wrong TruncateTo in Highway 1.0.3 and nothing that kvant needs.
#ifndef KVANT_NUMERICS_TARGETS_H_
#define KVANT_NUMERICS_TARGETS_H_

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)

#endif  // KVANT_NUMERICS_TARGETS_H_
