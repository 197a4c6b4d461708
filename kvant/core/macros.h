#ifndef KVANT_CORE_MACROS_H_
#define KVANT_CORE_MACROS_H_

// Formulas must inline into the loop that calls them, or each lane operation becomes a call.
#define KVANT_INLINE inline __attribute__((always_inline))

#endif  // KVANT_CORE_MACROS_H_
