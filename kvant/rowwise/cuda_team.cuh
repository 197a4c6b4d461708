// Threads that work on one row together, and what they do together: reduce. Kernels are written once over a team. On a
// device the team is a part of a warp, a block, or a cluster of blocks, and the code between two reductions runs in all
// of its threads at once; HostTeam runs it for one thread after the other, so that a kernel's logic can be tested
// without a device, bit for bit.
//
// A kernel keeps what a thread knows from one step to the next in an Own<T>, which is a plain T on a device, and does
// the steps of threads in Each(f), which calls f(t) with the position of the thread in its team. Everything outside
// Each is the same in all threads of the team.
#ifndef KVANT_ROWWISE_CUDA_TEAM_CUH_
#define KVANT_ROWWISE_CUDA_TEAM_CUH_

#include <cstdint>
#include <vector>

#include "kvant/core/macros.h"

namespace kvant {

// How a kernel is launched. `width` threads make a team: a power of two up to 32 within a warp, else a multiple of 32
// that is `threads` (of a block) times `cluster` (blocks).
struct CudaShape {
  int threads = 256;
  int width = 256;
  int cluster = 1;
  int64_t blocks = 1;

  KVANT_HOST_DEVICE int64_t teams() const { return width <= 32 ? blocks * (threads / width) : blocks / cluster; }
};

class HostTeam {
 public:
  HostTeam(const CudaShape& shape, int64_t index) : shape_(shape), index_(index) {}

  int width() const { return shape_.width; }
  int64_t index() const { return index_; }
  int64_t count() const { return shape_.teams(); }

  template <class T>
  class Own {
   public:
    explicit Own(const HostTeam& team) : values_(static_cast<size_t>(team.width())) {}
    T& operator[](int t) { return values_[static_cast<size_t>(t)]; }

   private:
    std::vector<T> values_;
  };

  template <class Function>
  void Each(const Function& f) const {
    for (int t = 0; t < width(); ++t) f(t);
  }

  // finish(all values combined), in any order.
  template <class T, class Combine, class Finish>
  auto Reduce(Own<T>& own, const Combine& combine, const Finish& finish) const {
    T all = own[0];
    for (int t = 1; t < width(); ++t) all = combine(all, own[t]);
    return finish(all);
  }

 private:
  const CudaShape shape_;
  const int64_t index_;
};

#if defined(__CUDACC__)

// A value as words, for shuffles and shared memory.
template <class T>
struct Words {
  static_assert(sizeof(T) % 4 == 0);
  static constexpr int kCount = sizeof(T) / 4;
  uint32_t word[kCount];

  __device__ __forceinline__ static Words Of(const T& v) {
    Words w;
    memcpy(w.word, &v, sizeof(T));
    return w;
  }
  __device__ __forceinline__ T Value() const {
    T v;
    memcpy(&v, word, sizeof(T));
    return v;
  }
};

class DeviceTeam {
 public:
  __device__ __forceinline__ explicit DeviceTeam(const CudaShape& shape) : shape_(shape) {
    const int64_t block = static_cast<int64_t>(blockIdx.x);
    if (shape.width <= 32) {
      thread_ = static_cast<int>(threadIdx.x) & (shape.width - 1);
      index_ = block * (shape.threads / shape.width) + static_cast<int>(threadIdx.x) / shape.width;
    } else {
      // The blocks of a cluster follow one another.
      thread_ = static_cast<int>(threadIdx.x) + static_cast<int>(block % shape.cluster) * shape.threads;
      index_ = block / shape.cluster;
    }
  }

  __device__ __forceinline__ int width() const { return shape_.width; }
  __device__ __forceinline__ int64_t index() const { return index_; }
  __device__ __forceinline__ int64_t count() const { return shape_.teams(); }

  template <class T>
  class Own {
   public:
    __device__ __forceinline__ explicit Own(const DeviceTeam&) {}
    __device__ __forceinline__ T& operator[](int) { return value_; }

   private:
    T value_;
  };

  template <class Function>
  __device__ __forceinline__ void Each(const Function& f) const {
    f(thread_);
  }

  // finish runs in one warp of the team (of each block of it), and everybody has its result.
  template <class T, class Combine, class Finish>
  __device__ __forceinline__ auto Reduce(Own<T>& own, const Combine& combine, const Finish& finish) const {
    using R = decltype(finish(own[0]));
    if (shape_.width <= 32) {
      const int lane = static_cast<int>(threadIdx.x) & 31;
      const uint32_t mates = (shape_.width == 32 ? 0xFFFFFFFFu : (1u << shape_.width) - 1) << (lane & -shape_.width);
      return finish(WithinLanes(own[0], combine, shape_.width, mates));
    }
    constexpr int kMostWarps = 32;
    __shared__ Words<T> of_warp[kMostWarps];
    __shared__ Words<T> of_block;
    __shared__ Words<R> result;
    const int warp = static_cast<int>(threadIdx.x) >> 5, lane = static_cast<int>(threadIdx.x) & 31;
    const T mine = WithinLanes(own[0], combine, 32, 0xFFFFFFFFu);
    if (lane == 0) of_warp[warp] = Words<T>::Of(mine);
    __syncthreads();
    if (warp == 0) {
      const int warps = shape_.threads >> 5;
      // Lanes beyond the last warp repeat one: combining a value with itself changes nothing (see Reduce's users).
      const T all = WithinLanes(of_warp[lane < warps ? lane : 0].Value(), combine, 32, 0xFFFFFFFFu);
      if (shape_.cluster == 1) {
        const R r = finish(all);
        if (lane == 0) result = Words<R>::Of(r);
      } else if (lane == 0) {
        of_block = Words<T>::Of(all);
      }
    }
    if (shape_.cluster > 1) FinishInCluster<T, R>(combine, finish, &of_block, &result, warp, lane);
    __syncthreads();
    return result.Value();
  }

 private:
  template <class T, class Combine>
  __device__ __forceinline__ static T WithinLanes(T v, const Combine& combine, int width, uint32_t mates) {
    for (int step = width >> 1; step > 0; step >>= 1) {
      Words<T> other = Words<T>::Of(v);
      KVANT_UNROLL
      for (int i = 0; i < Words<T>::kCount; ++i) other.word[i] = __shfl_xor_sync(mates, other.word[i], step);
      v = combine(v, other.Value());
    }
    return v;
  }

  template <class T, class R, class Combine, class Finish>
  __device__ __forceinline__ void FinishInCluster(const Combine& combine, const Finish& finish, Words<T>* of_block,
                                                  Words<R>* result, int warp, int lane) const {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    ClusterBarrier();
    if (warp == 0) {
      const T all = WithinLanes(OfBlock(of_block, lane % shape_.cluster), combine, 32, 0xFFFFFFFFu);
      const R r = finish(all);
      if (lane == 0) *result = Words<R>::Of(r);
    }
    // Nobody writes of_block again, or leaves, before all have read it.
    ClusterBarrier();
#endif
  }

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  __device__ __forceinline__ static void ClusterBarrier() {
    asm volatile("barrier.cluster.arrive.aligned;\n\tbarrier.cluster.wait.aligned;" ::: "memory");
  }
  // The value that block `rank` of this cluster has at the same place of its shared memory.
  template <class T>
  __device__ __forceinline__ static T OfBlock(Words<T>* own, int rank) {
    const auto at = static_cast<uint32_t>(__cvta_generic_to_shared(own));
    uint32_t there;
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(at), "r"(rank));
    Words<T> w;
    KVANT_UNROLL
    for (int i = 0; i < Words<T>::kCount; ++i) {
      asm volatile("ld.shared::cluster.u32 %0, [%1];" : "=r"(w.word[i]) : "r"(there + 4 * i));
    }
    return w.Value();
  }
#endif

  const CudaShape shape_;
  int thread_;
  int64_t index_;
};

template <class Kernel>
__global__ void __launch_bounds__(1024)
    RunKernel(const __grid_constant__ Kernel kernel, const __grid_constant__ CudaShape shape) {
  DeviceTeam team(shape);
  kernel(team);
}

#endif  // __CUDACC__

}  // namespace kvant

#endif  // KVANT_ROWWISE_CUDA_TEAM_CUH_
