#ifndef KVANT_CORE_MACROS_H_
#define KVANT_CORE_MACROS_H_

// Formulas must inline into the loop that calls them, or each lane operation becomes a call. nvcc compiles them for
// host and device.
#if defined(__CUDACC__)
#define KVANT_HOST_DEVICE __host__ __device__
#define KVANT_INLINE __host__ __device__ __forceinline__
#else
#define KVANT_HOST_DEVICE
#define KVANT_INLINE inline __attribute__((always_inline))
#endif

// Before a loop with a constant number of steps that must become straight-line code, as arrays of vectors in registers
// need.
#if defined(__clang__) || defined(__CUDA_ARCH__)
#define KVANT_UNROLL _Pragma("unroll")
#elif defined(__CUDACC__)
#define KVANT_UNROLL
#else
#define KVANT_UNROLL _Pragma("GCC unroll 16")
#endif

#endif  // KVANT_CORE_MACROS_H_
