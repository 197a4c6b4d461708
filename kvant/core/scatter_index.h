// Indices of scattered updates: where each update goes, whether all of them are legal, and how updates are spread over
// tasks so that the number of tasks does not show.
#ifndef KVANT_CORE_SCATTER_INDEX_H_
#define KVANT_CORE_SCATTER_INDEX_H_

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "kvant/core/index_fault.h"
#include "kvant/core/index_mode.h"
#include "kvant/core/macros.h"
#include "kvant/core/status.h"
#include "kvant/core/tensor.h"

namespace kvant {

// The sizes of a scatter, of shapes that fit together (rowwise/scatter_rules.h).
struct ScatterGeometry {
  IndexMode mode = IndexMode::kBatch;
  int axis = 1;           // of self, from the front; never 0
  int64_t updates = 0;    // n
  int64_t firsts = 0;     // self.shape[0]; batch: at least n
  int64_t positions = 0;  // self.shape[axis]
  int64_t length = 1;     // positions of an update, at most `positions`: updates.shape[axis], slot: 1

  bool operator==(const ScatterGeometry&) const = default;
};

// Update i is written to self[first, .., start + t, ..], 0 <= t < length.
struct ScatterPlace {
  int64_t first;
  int64_t start;
};

// What a scan of all indices found.
struct ScatterFacts {
  bool ascending = true;  // each update that is written begins where the one before it ends or later: none overlap
  bool skips = false;     // some update is skipped
};

// Refers to the caller's memory, and reads it again on each call.
class ScatterIndex {
 public:
  ScatterIndex() = default;
  // `indices`: int32 or int64 with the shape of the mode, any strides.
  ScatterIndex(const ConstTensorView& indices, const ScatterGeometry& geometry, IndexPolicy policy);

  // False: update i is to be skipped, because it is padding or points outside. Any value may be there.
  KVANT_HOST_DEVICE bool Decode(int64_t i, ScatterPlace* place) const {
    const int64_t value = Load(i * stride_);
    switch (geometry_.mode) {
      case IndexMode::kSlot:
        if (static_cast<uint64_t>(value) >= slots_) return false;
        *place = shift_ >= 0 ? ScatterPlace{value >> shift_, value & (geometry_.positions - 1)}
                             : ScatterPlace{value / geometry_.positions, value % geometry_.positions};
        return true;
      case IndexMode::kPair:
        *place = {value, Load(i * stride_ + component_stride_)};
        return static_cast<uint64_t>(value) < static_cast<uint64_t>(geometry_.firsts) && StartFits(place->start);
      default:
        *place = {i, value};
        return StartFits(value);
    }
  }

  // Why update i is skipped, if that is an error under the policy; kNone if it is not. `i` is one that Decode refuses.
  KVANT_HOST_DEVICE IndexFault FaultAt(int64_t i) const {
    if (policy_ == IndexPolicy::kSkip || IsPadding(i)) return {};
    const int64_t value = Load(i * stride_);
    const auto starts = static_cast<int64_t>(starts_);
    switch (geometry_.mode) {
      case IndexMode::kSlot:
        return {FaultKind::kSlot, i, value, static_cast<int64_t>(slots_), 0};
      case IndexMode::kPair:
        if (static_cast<uint64_t>(value) >= static_cast<uint64_t>(geometry_.firsts)) {
          return {FaultKind::kPairFirst, i, value, geometry_.firsts, 0};
        }
        return {FaultKind::kPairStart, i, Load(i * stride_ + component_stride_), starts, 0};
      default:
        return {FaultKind::kStart, i, value, starts, 0};
    }
  }

  // Scans all indices. Under kError fails with kOutOfRange if one is neither legal nor padding, and names the first of
  // them, its value and what is legal. `facts` may be null.
  Status Check(std::string_view op, ScatterFacts* facts) const;

  KVANT_HOST_DEVICE const ScatterGeometry& geometry() const { return geometry_; }

 private:
  KVANT_HOST_DEVICE int64_t Load(int64_t offset) const {
    return wide_ ? static_cast<const int64_t*>(data_)[offset] : static_cast<const int32_t*>(data_)[offset];
  }
  KVANT_HOST_DEVICE bool StartFits(int64_t start) const { return static_cast<uint64_t>(start) < starts_; }
  KVANT_HOST_DEVICE bool IsPadding(int64_t i) const {
    constexpr int64_t kPadding = -1;
    if (geometry_.mode == IndexMode::kBatch) return false;
    return Load(i * stride_) == kPadding ||
           (geometry_.mode == IndexMode::kPair && Load(i * stride_ + component_stride_) == kPadding);
  }

  const void* data_ = nullptr;
  int64_t stride_ = 0;
  int64_t component_stride_ = 0;
  bool wide_ = false;
  IndexPolicy policy_ = IndexPolicy::kError;
  uint64_t starts_ = 0;  // how many starts are legal, from 0 on
  uint64_t slots_ = 0;   // likewise, or 2^63 if there are more
  int shift_ = -1;       // not negative: positions are 2 to the power of this
  ScatterGeometry geometry_;
};

// How updates are spread over tasks. Where updates cannot meet, each task has a range of them, of whole units if an
// update has several. Where they can, each task looks at all updates in order and takes those whose place is its own,
// so that of two updates of one place the later one wins.
class ScatterCut {
 public:
  // A single task.
  ScatterCut() = default;
  // `units`: equal pieces that one update may be cut into.
  ScatterCut(const ScatterIndex& index, const ScatterFacts& facts, int64_t units, int tasks)
      : index_(index), units_(units) {
    by_place_ = tasks > 1 && index.geometry().mode != IndexMode::kBatch && !facts.ascending;
    const int64_t most = index.geometry().updates * (by_place_ ? 1 : units);
    tasks_ = static_cast<int>(std::clamp<int64_t>(most, 1, std::max(tasks, 1)));
  }

  const ScatterIndex& index() const { return index_; }
  int tasks() const { return tasks_; }
  // Whether tasks own places instead of ranges of updates.
  bool by_place() const { return by_place_; }

  // Whether update i may be the work of `task`, and where it goes.
  bool Takes(int task, int64_t i, ScatterPlace* place) const {
    return index_.Decode(i, place) && (!by_place_ || Owner(*place) == task);
  }

  // Calls f(i, place, begin, end) for the units [begin, end) of update i that belong to `task`, with i ascending.
  template <class Function>
  void ForEach(int task, const Function& f) const {
    if (units_ == 0) return;
    const int64_t begin = Begin(task);
    int64_t i = begin / units_, first = begin % units_;
    for (int64_t left = End(task) - begin; left > 0; ++i, first = 0) {
      const int64_t last = std::min(first + left, units_);
      ScatterPlace place;
      if (Takes(task, i, &place)) f(i, place, first, last);
      left -= last - first;
    }
  }

  // The update after the last one that `task` may have a part of.
  int64_t EndOf(int task) const { return units_ == 0 ? 0 : (End(task) + units_ - 1) / units_; }

 private:
  // The units that a task looks at.
  int64_t Begin(int task) const { return by_place_ ? 0 : Share(task); }
  int64_t End(int task) const { return by_place_ ? Share(tasks_) : Share(task + 1); }
  int64_t Share(int task) const {
    const int64_t all = index_.geometry().updates * units_;
    return all / tasks_ * task + all % tasks_ * task / tasks_;
  }

  // Updates that share an element have the same owner.
  int Owner(const ScatterPlace& place) const {
    const ScatterGeometry& g = index_.geometry();
    uint64_t key = static_cast<uint64_t>(place.first);
    if (g.length == 1) key = key * static_cast<uint64_t>(g.positions) + static_cast<uint64_t>(place.start);
    const uint64_t mixed = key * 0x9E3779B97F4A7C15 >> 32;  // places at regular distances spread evenly
    return static_cast<int>(mixed * static_cast<uint64_t>(tasks_) >> 32);
  }

  ScatterIndex index_;
  int64_t units_ = 1;
  int tasks_ = 1;
  bool by_place_ = false;
};

}  // namespace kvant

#endif  // KVANT_CORE_SCATTER_INDEX_H_
