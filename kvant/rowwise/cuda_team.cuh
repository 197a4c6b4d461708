// Threads that work on one row together, and what they do together: reduce. Kernels are written once over a team. On a
// device the team is a part of a warp, a block, or a cluster of blocks, and the code between two reductions runs in all
// of its threads at once; HostTeam runs it for one thread after the other, so that a kernel's logic can be tested
// without a device, bit for bit.
//
// A kernel keeps what a thread knows from one step to the next in an Own<T>, which is a plain T on a device, and does
// the steps of threads in Each(f), which calls f(t) with the position of the thread in its team. Everything outside
// Each is the same in all threads of the team.
//
// A team within a warp may have several short rows in hand at once. What there is to know of one of them is then worked
// out by one of its threads, that of RowOfThread, and asked for with OfRow.
#ifndef KVANT_ROWWISE_CUDA_TEAM_CUH_
#define KVANT_ROWWISE_CUDA_TEAM_CUH_

#include <cstdint>
#include <vector>

#include "kvant/core/macros.h"

namespace kvant {

// How a kernel is launched. `width` threads make a team: a power of two up to 32 within a warp, else a multiple of 32
// that is `threads` (of a block) times `cluster` (blocks, a power of two).
struct CudaShape {
  int threads = 256;
  int width = 256;
  int cluster = 1;
  int64_t blocks = 1;

  KVANT_HOST_DEVICE int64_t teams() const { return width <= 32 ? blocks * (threads / width) : blocks / cluster; }
};

// Of kRows rows in hand, which a thread works out; the first threads have one each. Its bits are reversed: see
// DeviceTeam::ReduceRows.
template <int kRows>
KVANT_HOST_DEVICE constexpr int RowOfThread(int t) {
  static_assert(kRows == 1 || kRows == 2 || kRows == 4);
  return kRows == 4 ? (t & 1) * 2 + (t >> 1 & 1) : t & (kRows - 1);
}
// The first of the threads that do.
template <int kRows>
KVANT_HOST_DEVICE constexpr int ThreadOfRow(int row) {
  return RowOfThread<kRows>(row);
}

class HostTeam {
 public:
  HostTeam(const CudaShape& shape, int64_t index) : shape_(shape), index_(index) {}

  int width() const { return shape_.width; }
  int64_t index() const { return index_; }
  int64_t first_of_warp() const { return index_; }
  int per_warp() const { return 1; }
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

  // Own values are kRows values of the rows in hand; each thread has finish(all of its row combined) afterwards. All
  // teams of a warp have to come here together.
  template <int kRows, class T, class R, class Combine, class Finish>
  void ReduceRows(Own<T>& own, Own<R>& results, const Combine& combine, const Finish& finish) const {
    for (int t = 0; t < width(); ++t) {
      auto all = own[0].of[RowOfThread<kRows>(t)];
      for (int k = 1; k < width(); ++k) all = combine(all, own[k].of[RowOfThread<kRows>(t)]);
      results[t] = finish(all);
    }
  }

  // What the threads of row `row` of the kRows in hand have. All teams of a warp have to come here together.
  template <int kRows, class T>
  T OfRow(Own<T>& own, int row) const {
    return own[ThreadOfRow<kRows>(row)];
  }

  // Whether any value is not 0; others of the warp may make it true. All teams of a warp have to come here together.
  bool Any(Own<int32_t>& own) const {
    for (int t = 0; t < width(); ++t) {
      if (own[t] != 0) return true;
    }
    return false;
  }

  // The 32 lanes of a warp, for what is the same to all of its teams: those that have a part of it have to come here
  // together. EachLane(f) calls f(lane); Before(sums, identity, add) leaves in each lane the sum of the lanes before
  // it.
  template <class T>
  class Lanes {
   public:
    explicit Lanes(const HostTeam&) {}
    T& operator[](int lane) { return values_[lane]; }

   private:
    T values_[32] = {};
  };
  template <class Function>
  void EachLane(const Function& f) const {
    for (int lane = 0; lane < 32; ++lane) f(lane);
  }
  template <class T, class Add>
  void Before(Lanes<T>& values, T identity, const Add& add) const {
    T sum = identity;
    for (int lane = 0; lane < 32; ++lane) {
      const T own = values[lane];
      values[lane] = sum;
      sum = add(sum, own);
    }
  }
  template <class T>
  T OfLane(Lanes<T>& values, int lane) const {
    return values[lane];
  }
  // The first lane whose flag is not 0, or 32.
  int FirstOf(Lanes<int32_t>& flags) const {
    int lane = 0;
    while (lane < 32 && flags[lane] == 0) ++lane;
    return lane;
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
    const unsigned block = blockIdx.x, thread = threadIdx.x, cluster = static_cast<unsigned>(shape.cluster);
    if (shape.width <= 32) {
      const auto width = static_cast<unsigned>(shape.width);
      thread_ = static_cast<int>(thread & (width - 1));
      index_ = static_cast<int64_t>(block) * (shape.threads / shape.width) + thread / width;
    } else {
      // The blocks of a cluster follow one another.
      thread_ = static_cast<int>(thread) + static_cast<int>(block & (cluster - 1)) * shape.threads;
      index_ = block / cluster;
    }
  }

  __device__ __forceinline__ int width() const { return shape_.width; }
  __device__ __forceinline__ int64_t index() const { return index_; }
  __device__ __forceinline__ int64_t count() const { return shape_.teams(); }
  // Of the teams that have a part of this thread's warp.
  __device__ __forceinline__ int64_t first_of_warp() const {
    return shape_.width <= 32 ? index_ - (static_cast<int>(threadIdx.x) & 31) / shape_.width : index_;
  }

  __device__ __forceinline__ int per_warp() const { return shape_.width < 32 ? 32 / shape_.width : 1; }

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
    return ReduceValue(own[0], combine, finish);
  }

  template <int kRows, class T, class R, class Combine, class Finish>
  __device__ __forceinline__ void ReduceRows(Own<T>& own, Own<R>& results, const Combine& combine,
                                             const Finish& finish) const {
    if constexpr (kRows == 1) {
      if (shape_.width > 32) {
        results[0] = ReduceValue(own[0].of[0], combine, finish);
        return;
      }
    }
    // While a thread has several rows, it keeps one half of them and sends the other to a neighbour that does the
    // opposite; after that it has one.
    T rows = own[0];
    int step = 1;
    KVANT_UNROLL
    for (int half = kRows / 2; half > 0; half /= 2, step *= 2) {
      const bool upper = (thread_ & step) != 0;
      KVANT_UNROLL
      for (int i = 0; i < half; ++i) {
        const auto kept = Chosen(upper, rows.of[half + i], rows.of[i]);
        rows.of[i] = combine(kept, Exchanged(Chosen(upper, rows.of[i], rows.of[half + i]), step, kAllLanes));
      }
    }
    auto all = rows.of[0];
    for (; step < shape_.width; step *= 2) all = combine(all, Exchanged(all, step, kAllLanes));
    results[0] = finish(all);
  }

  template <int kRows, class T>
  __device__ __forceinline__ T OfRow(Own<T>& own, int row) const {
    if constexpr (kRows == 1) return own[0];
    Words<T> words = Words<T>::Of(own[0]);
    KVANT_UNROLL
    for (int i = 0; i < Words<T>::kCount; ++i) {
      words.word[i] = __shfl_sync(kAllLanes, words.word[i], ThreadOfRow<kRows>(row), shape_.width);
    }
    return words.Value();
  }

  __device__ __forceinline__ bool Any(Own<int32_t>& own) const { return __any_sync(kAllLanes, own[0] != 0); }

  template <class T>
  using Lanes = Own<T>;
  template <class Function>
  __device__ __forceinline__ void EachLane(const Function& f) const {
    f(static_cast<int>(threadIdx.x) & 31);
  }
  template <class T, class Add>
  __device__ __forceinline__ void Before(Lanes<T>& values, T identity, const Add& add) const {
    static_assert(sizeof(T) == 4);
    const int lane = static_cast<int>(threadIdx.x) & 31;
    T sum = values[0];
    KVANT_UNROLL
    for (int step = 1; step < 32; step *= 2) {
      const T lower = __shfl_up_sync(kAllLanes, sum, step);
      if (lane >= step) sum = add(lower, sum);
    }
    sum = __shfl_up_sync(kAllLanes, sum, 1);
    values[0] = lane == 0 ? identity : sum;
  }
  template <class T>
  __device__ __forceinline__ T OfLane(Lanes<T>& values, int lane) const {
    static_assert(sizeof(T) == 4);
    return __shfl_sync(kAllLanes, values[0], lane);
  }
  __device__ __forceinline__ int FirstOf(Lanes<int32_t>& flags) const {
    const unsigned lanes = __ballot_sync(kAllLanes, flags[0] != 0);
    return lanes == 0 ? 32 : __ffs(static_cast<int>(lanes)) - 1;
  }

 private:
  static constexpr uint32_t kAllLanes = 0xFFFFFFFFu;

  template <class T, class Combine, class Finish>
  __device__ __forceinline__ auto ReduceValue(const T& value, const Combine& combine, const Finish& finish) const {
    using R = decltype(finish(value));
    if (shape_.width <= 32) {
      const int lane = static_cast<int>(threadIdx.x) & 31;
      const uint32_t mates = (shape_.width == 32 ? kAllLanes : (1u << shape_.width) - 1) << (lane & -shape_.width);
      return finish(WithinLanes(value, combine, shape_.width, mates));
    }
    constexpr int kMostWarps = 32;
    __shared__ Words<T> of_warp[kMostWarps];
    __shared__ Words<T> of_block;
    __shared__ Words<R> result;
    const int warp = static_cast<int>(threadIdx.x) >> 5, lane = static_cast<int>(threadIdx.x) & 31;
    const T mine = WithinLanes(value, combine, 32, kAllLanes);
    if (lane == 0) of_warp[warp] = Words<T>::Of(mine);
    __syncthreads();
    if (warp == 0) {
      const int warps = shape_.threads >> 5;
      // Lanes beyond the last warp repeat one: combining a value with itself changes nothing (see Reduce's users).
      const T all = WithinLanes(of_warp[lane < warps ? lane : 0].Value(), combine, 32, kAllLanes);
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

  // a or b; word by word, or they would have to be in memory.
  template <class T>
  __device__ __forceinline__ static T Chosen(bool first, const T& a, const T& b) {
    Words<T> words = Words<T>::Of(a);
    const Words<T> others = Words<T>::Of(b);
    KVANT_UNROLL
    for (int i = 0; i < Words<T>::kCount; ++i) words.word[i] = first ? words.word[i] : others.word[i];
    return words.Value();
  }

  // The value of the lane whose number differs by the bit `step`.
  template <class T>
  __device__ __forceinline__ static T Exchanged(const T& v, int step, uint32_t mates) {
    Words<T> words = Words<T>::Of(v);
    KVANT_UNROLL
    for (int i = 0; i < Words<T>::kCount; ++i) words.word[i] = __shfl_xor_sync(mates, words.word[i], step);
    return words.Value();
  }

  template <class T, class Combine>
  __device__ __forceinline__ static T WithinLanes(T v, const Combine& combine, int width, uint32_t mates) {
    for (int step = width >> 1; step > 0; step >>= 1) v = combine(v, Exchanged(v, step, mates));
    return v;
  }

  template <class T, class R, class Combine, class Finish>
  __device__ __forceinline__ void FinishInCluster(const Combine& combine, const Finish& finish, Words<T>* of_block,
                                                  Words<R>* result, int warp, int lane) const {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    ClusterBarrier();
    if (warp == 0) {
      const T all = WithinLanes(OfBlock(of_block, lane & (shape_.cluster - 1)), combine, 32, kAllLanes);
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
