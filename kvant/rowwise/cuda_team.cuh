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
#include <cstring>
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
  template <class Add>
  void Before(Lanes<int32_t>& values, int32_t identity, const Add& add) const {
    int32_t sum = identity;
    for (int lane = 0; lane < 32; ++lane) {
      const int32_t own = values[lane];
      values[lane] = sum;
      sum = add(sum, own);
    }
  }
  int32_t OfLane(Lanes<int32_t>& values, int lane) const { return values[lane]; }
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
      const auto width = static_cast<unsigned>(shape.width);
      thread_ = static_cast<int>(thread & (width - 1));
      index_ = static_cast<int64_t>(block) * (shape.threads / shape.width) + thread / width;
    } else {
      // The blocks of a cluster follow one another.
      thread_ = static_cast<int>(thread) + static_cast<int>(block & (cluster - 1)) * shape.threads;
      index_ = block / cluster;
    }
  }

  KVANT_INLINE int width() const { return shape_.width; }
  KVANT_INLINE int64_t index() const { return index_; }
  KVANT_INLINE int64_t count() const { return shape_.teams(); }
  // Of the teams that have a part of this thread's warp.
  KVANT_INLINE int64_t first_of_warp() const { return shape_.width <= 32 ? index_ - Lane() / shape_.width : index_; }
  KVANT_INLINE int per_warp() const { return shape_.width < 32 ? 32 / shape_.width : 1; }

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
      Hardware::ClusterBarrier();
      if (warp == 0) {
        const T peer = Hardware::PeerOf(of_block, lane & (shape_.cluster - 1)).block.Value();
        const R r = finish(WithinLanes(peer, combine, 32, kAllLanes));
        if (lane == 0) result.result = Words<R>::Of(r);
      }
      // Nobody writes of_block again, or leaves, before all have read it.
      Hardware::ClusterBarrier();
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

#endif  // KVANT_ROWWISE_CUDA_TEAM_CUH_
