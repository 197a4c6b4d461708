#ifndef KVANT_CORE_MACROS_H_
#define KVANT_CORE_MACROS_H_

// Formulas must inline into the loop that calls them, or each lane operation becomes a call. nvcc compiles them for
// host and device. KVANT_OUTLINE is for what is rare, so that it takes no registers from what is not.
#if defined(__CUDACC__)
#define KVANT_HOST_DEVICE __host__ __device__
#define KVANT_INLINE __host__ __device__ __forceinline__
#define KVANT_OUTLINE __host__ __device__ __noinline__
#else
#define KVANT_HOST_DEVICE
#define KVANT_INLINE inline __attribute__((always_inline))
#define KVANT_OUTLINE __attribute__((noinline))
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

// Before a loop that a GPU's compiler would unroll although what it does is rare or slow anyway.
#if defined(__CUDA_ARCH__)
#define KVANT_NO_UNROLL _Pragma("unroll 1")
#else
#define KVANT_NO_UNROLL
#endif

#endif  // KVANT_CORE_MACROS_H_
