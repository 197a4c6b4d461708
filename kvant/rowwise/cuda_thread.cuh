// What a thread of a CUDA device knows and can do, for DeviceTeam, and the kernel that runs a team.
#ifndef KVANT_ROWWISE_CUDA_THREAD_CUH_
#define KVANT_ROWWISE_CUDA_THREAD_CUH_

#include "kvant/rowwise/cuda_device_team.cuh"

namespace kvant {

#if defined(__CUDA_ARCH__)

struct CudaThread {
  static __device__ __forceinline__ unsigned Block() { return blockIdx.x; }
  static __device__ __forceinline__ unsigned Thread() { return threadIdx.x; }

  // Of the lanes in `mates`, which have to come here together.
  static __device__ __forceinline__ uint32_t ShuffleXor(uint32_t mates, uint32_t word, int step) {
    return __shfl_xor_sync(mates, word, step);
  }
  static __device__ __forceinline__ uint32_t ShuffleUp(uint32_t mates, uint32_t word, int step) {
    return __shfl_up_sync(mates, word, step);
  }
  static __device__ __forceinline__ uint32_t Shuffle(uint32_t mates, uint32_t word, int lane) {
    return __shfl_sync(mates, word, lane);
  }
  static __device__ __forceinline__ uint32_t Ballot(uint32_t mates, bool flag) { return __ballot_sync(mates, flag); }
  static __device__ __forceinline__ int FirstBit(uint32_t word) { return __ffs(static_cast<int>(word)) - 1; }

  // One of each type for a block.
  template <class T>
  static __device__ __forceinline__ T& Shared() {
    __shared__ T memory;
    return memory;
  }
  static __device__ __forceinline__ void BlockBarrier() { __syncthreads(); }

#if __CUDA_ARCH__ >= 900
  // What a warp with `orders` has written and read comes before what any does afterwards. A release is a fence of the
  // whole device, which other warps are spared.
  static __device__ __forceinline__ void ClusterBarrier(bool orders) {
    __syncwarp();  // .aligned: the threads of a warp come together
    if (orders) {
      asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
    } else {
      asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory");
    }
    asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
  }
  // What block `rank` of this cluster has at the same place of its shared memory.
  template <class T>
  static __device__ __forceinline__ T PeerOf(T& own, int rank) {
    const auto at = static_cast<uint32_t>(__cvta_generic_to_shared(&own));
    uint32_t there;
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(at), "r"(rank));
    uint32_t words[sizeof(T) / 4];
    KVANT_UNROLL
    for (unsigned i = 0; i < sizeof(T) / 4; ++i) {
      asm volatile("ld.shared::cluster.u32 %0, [%1];" : "=r"(words[i]) : "r"(there + 4 * i) : "memory");
    }
    T peer;
    memcpy(&peer, words, sizeof(T));
    return peer;
  }
#else
  // No tuning has clusters there.
  static __device__ __forceinline__ void ClusterBarrier(bool) { __trap(); }
  template <class T>
  static __device__ __forceinline__ T PeerOf(T& own, int) {
    return own;
  }
#endif
};

#endif  // __CUDA_ARCH__

template <class Kernel>
__global__ void __launch_bounds__(1024)
    RunKernel(const __grid_constant__ Kernel kernel, const __grid_constant__ CudaShape shape) {
#if defined(__CUDA_ARCH__)
  DeviceTeam<CudaThread> team(shape);
  kernel(team);
#endif
}

}  // namespace kvant

#endif  // KVANT_ROWWISE_CUDA_THREAD_CUH_
