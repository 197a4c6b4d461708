#ifndef KVANT_CORE_MACROS_H_
#define KVANT_CORE_MACROS_H_

// Formulas must inline into the loop that calls them, or each lane operation becomes a call.
#define KVANT_INLINE inline __attribute__((always_inline))

// Before a loop with a constant number of steps that must become straight-line code, as arrays of vectors in registers
// need.
#if defined(__clang__)
#define KVANT_UNROLL _Pragma("unroll")
#else
#define KVANT_UNROLL _Pragma("GCC unroll 16")
#endif

#endif  // KVANT_CORE_MACROS_H_
