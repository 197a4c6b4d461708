// Threads that work on one row together, and what they do together: reduce. Kernels are written once over a team. On a
// device the team is a part of a warp, a block, or a cluster of blocks, and the code between two reductions runs in all
// of its threads at once; HostTeam runs it for one thread after the other, so that a kernel's logic can be tested
// without a device, bit for bit; DeviceTeam is in cuda_device_team.cuh.
//
// A kernel keeps what a thread knows from one step to the next in an Own<T>, which is a plain T on a device, and does
// the steps of threads in Each(f), which calls f(t) with the position of the thread in its team. Everything outside
// Each is the same in all threads of the team.
//
// A team within a warp may have several short rows in hand at once. What there is to know of one of them is then worked
// out by one of its threads, that of RowOfThread, and asked for with OfRow.
#ifndef KVANT_ROWWISE_CUDA_TEAM_CUH_
#define KVANT_ROWWISE_CUDA_TEAM_CUH_

#include <bit>
#include <cstdint>
#include <vector>

#include "kvant/core/macros.h"

namespace kvant {

// Of a power of two; devices divide by shifting, because their divisions are long.
KVANT_HOST_DEVICE inline int Log2(int power) {
#if defined(__CUDA_ARCH__)
  return __popc(static_cast<unsigned>(power) - 1);
#else
  return std::popcount(static_cast<unsigned>(power) - 1);
#endif
}

// How a kernel is launched. `width` threads make a team: a power of two up to 32 within a warp, else a multiple of 32
// that is `threads` (of a block) times `cluster` (blocks, a power of two).
struct CudaShape {
  int threads = 256;
  int width = 256;
  int cluster = 1;
  int64_t blocks = 1;

  KVANT_HOST_DEVICE int64_t teams() const {
    return width <= 32 ? blocks * (threads >> Log2(width)) : blocks >> Log2(cluster);
  }
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

}  // namespace kvant

#endif  // KVANT_ROWWISE_CUDA_TEAM_CUH_
