// The team of a device: each of its threads has an object of this type, and runs the kernel.
#ifndef KVANT_ROWWISE_CUDA_DEVICE_TEAM_CUH_
#define KVANT_ROWWISE_CUDA_DEVICE_TEAM_CUH_

#include <cstdint>
#include <cstring>

#include "kvant/rowwise/cuda_team.cuh"

namespace kvant {

// A value as words, for shuffles and shared memory.
template <class T>
struct Words {
  static_assert(sizeof(T) % 4 == 0);
  static constexpr int kCount = sizeof(T) / 4;
  uint32_t word[kCount];

  KVANT_INLINE static Words Of(const T& v) {
    Words w;
    memcpy(w.word, &v, sizeof(T));
    return w;
  }
  KVANT_INLINE T Value() const {
    T v;
    memcpy(&v, word, sizeof(T));
    return v;
  }
};

// `Hardware` is what a thread knows and can do: CudaThread (cuda_thread.cuh), or testing/fiber_threads.h.
template <class Hardware>
class DeviceTeam {
 public:
  KVANT_INLINE explicit DeviceTeam(const CudaShape& shape) : shape_(shape) {
    const unsigned block = Hardware::Block(), thread = Hardware::Thread();
    const auto cluster = static_cast<unsigned>(shape.cluster);
    if (shape.width <= 32) {
      const int log = Log2(shape.width);
      thread_ = static_cast<int>(thread) & (shape.width - 1);
      index_ = static_cast<int64_t>(block) * (shape.threads >> log) + (thread >> log);
    } else {
      // The blocks of a cluster follow one another.
      thread_ = static_cast<int>(thread) + static_cast<int>(block & (cluster - 1)) * shape.threads;
      index_ = block >> Log2(shape.cluster);
    }
  }

  KVANT_INLINE int width() const { return shape_.width; }
  KVANT_INLINE int64_t index() const { return index_; }
  KVANT_INLINE int64_t count() const { return shape_.teams(); }
  // Of the teams that have a part of this thread's warp.
  KVANT_INLINE int64_t first_of_warp() const {
    return shape_.width <= 32 ? index_ - (Lane() >> Log2(shape_.width)) : index_;
  }
  KVANT_INLINE int per_warp() const { return shape_.width < 32 ? 32 >> Log2(shape_.width) : 1; }

  template <class T>
  class Own {
   public:
    KVANT_INLINE explicit Own(const DeviceTeam&) {}
    KVANT_INLINE T& operator[](int) { return value_; }

   private:
    T value_;
  };

  template <class Function>
  KVANT_INLINE void Each(const Function& f) const {
    f(thread_);
  }

  // finish runs in one warp of the team (of each block of it), and everybody has its result.
  template <class T, class Combine, class Finish>
  KVANT_INLINE auto Reduce(Own<T>& own, const Combine& combine, const Finish& finish) const {
    return ReduceValue(own[0], combine, finish);
  }

  template <int kRows, class T, class R, class Combine, class Finish>
  KVANT_INLINE void ReduceRows(Own<T>& own, Own<R>& results, const Combine& combine, const Finish& finish) const {
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
  KVANT_INLINE T OfRow(Own<T>& own, int row) const {
    if constexpr (kRows == 1) return own[0];
    Words<T> words = Words<T>::Of(own[0]);
    const int from = (Lane() & -shape_.width) + ThreadOfRow<kRows>(row);
    KVANT_UNROLL
    for (int i = 0; i < Words<T>::kCount; ++i) words.word[i] = Hardware::Shuffle(kAllLanes, words.word[i], from);
    return words.Value();
  }

  KVANT_INLINE bool Any(Own<int32_t>& own) const { return Hardware::Ballot(kAllLanes, own[0] != 0) != 0; }

  template <class T>
  using Lanes = Own<T>;
  template <class Function>
  KVANT_INLINE void EachLane(const Function& f) const {
    f(Lane());
  }
  template <class Add>
  KVANT_INLINE void Before(Lanes<int32_t>& values, int32_t identity, const Add& add) const {
    const int lane = Lane();
    int32_t sum = values[0];
    KVANT_UNROLL
    for (int step = 1; step < 32; step *= 2) {
      const int32_t lower = Below(sum, step);
      if (lane >= step) sum = add(lower, sum);
    }
    sum = Below(sum, 1);
    values[0] = lane == 0 ? identity : sum;
  }
  KVANT_INLINE int32_t OfLane(Lanes<int32_t>& values, int lane) const {
    return static_cast<int32_t>(Hardware::Shuffle(kAllLanes, static_cast<uint32_t>(values[0]), lane));
  }
  KVANT_INLINE int FirstOf(Lanes<int32_t>& flags) const {
    const uint32_t lanes = Hardware::Ballot(kAllLanes, flags[0] != 0);
    return lanes == 0 ? 32 : Hardware::FirstBit(lanes);
  }

 private:
  static constexpr uint32_t kAllLanes = 0xFFFFFFFFu;
  static constexpr int kMostWarps = 32;
  template <class T>
  struct OfWarps {
    Words<T> warp[kMostWarps];
  };
  template <class T>
  struct OfBlock {
    Words<T> block;
  };
  template <class T>
  struct Result {
    Words<T> result;
  };

  KVANT_INLINE static int Lane() { return static_cast<int>(Hardware::Thread()) & 31; }

  template <class T, class Combine, class Finish>
  KVANT_INLINE auto ReduceValue(const T& value, const Combine& combine, const Finish& finish) const {
    using R = decltype(finish(value));
    const int lane = Lane();
    if (shape_.width <= 32) {
      const uint32_t mates = (shape_.width == 32 ? kAllLanes : (1u << shape_.width) - 1) << (lane & -shape_.width);
      return finish(WithinLanes(value, combine, shape_.width, mates));
    }
    auto& of_warps = Hardware::template Shared<OfWarps<T>>();
    auto& of_block = Hardware::template Shared<OfBlock<T>>();
    auto& result = Hardware::template Shared<Result<R>>();
    const int warp = static_cast<int>(Hardware::Thread()) >> 5;
    const T mine = WithinLanes(value, combine, 32, kAllLanes);
    if (lane == 0) of_warps.warp[warp] = Words<T>::Of(mine);
    Hardware::BlockBarrier();
    if (warp == 0) {
      const int warps = shape_.threads >> 5;
      // Lanes beyond the last warp repeat one: combining a value with itself changes nothing (see Reduce's users).
      const T all = WithinLanes(of_warps.warp[lane < warps ? lane : 0].Value(), combine, 32, kAllLanes);
      if (shape_.cluster == 1) {
        const R r = finish(all);
        if (lane == 0) result.result = Words<R>::Of(r);
      } else if (lane == 0) {
        of_block.block = Words<T>::Of(all);
      }
    }
    if (shape_.cluster > 1) {
      Hardware::ClusterBarrier(warp == 0);
      if (warp == 0) {
        const T peer = Hardware::PeerOf(of_block, lane & (shape_.cluster - 1)).block.Value();
        const R r = finish(WithinLanes(peer, combine, 32, kAllLanes));
        if (lane == 0) result.result = Words<R>::Of(r);
      }
      // Nobody writes of_block again, or leaves, before all have read it.
      Hardware::ClusterBarrier(warp == 0);
    }
    Hardware::BlockBarrier();
    return result.result.Value();
  }

  // a or b; word by word, or they would have to be in memory.
  template <class T>
  KVANT_INLINE static T Chosen(bool first, const T& a, const T& b) {
    Words<T> words = Words<T>::Of(a);
    const Words<T> others = Words<T>::Of(b);
    KVANT_UNROLL
    for (int i = 0; i < Words<T>::kCount; ++i) words.word[i] = first ? words.word[i] : others.word[i];
    return words.Value();
  }

  // The value of the lane whose number differs by the bit `step`.
  template <class T>
  KVANT_INLINE static T Exchanged(const T& v, int step, uint32_t mates) {
    Words<T> words = Words<T>::Of(v);
    KVANT_UNROLL
    for (int i = 0; i < Words<T>::kCount; ++i) words.word[i] = Hardware::ShuffleXor(mates, words.word[i], step);
    return words.Value();
  }
  // That of the lane `step` below; in the lowest ones their own.
  KVANT_INLINE static int32_t Below(int32_t v, int step) {
    return static_cast<int32_t>(Hardware::ShuffleUp(kAllLanes, static_cast<uint32_t>(v), step));
  }

  template <class T, class Combine>
  KVANT_INLINE static T WithinLanes(T v, const Combine& combine, int width, uint32_t mates) {
    for (int step = width >> 1; step > 0; step >>= 1) v = combine(v, Exchanged(v, step, mates));
    return v;
  }

  const CudaShape shape_;
  int thread_;
  int64_t index_;
};

}  // namespace kvant

#endif  // KVANT_ROWWISE_CUDA_DEVICE_TEAM_CUH_
