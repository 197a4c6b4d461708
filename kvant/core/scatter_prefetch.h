// Asks for what scattered updates will write before it is their turn: hardware does not guess where they go.
#ifndef KVANT_CORE_SCATTER_PREFETCH_H_
#define KVANT_CORE_SCATTER_PREFETCH_H_

#include <cstdlib>

#include "kvant/core/scatter_table.h"

namespace kvant {

// A cache of this many bytes is asked for before it is written: it is seldom where the processor has it at hand, in
// cache or in its table of pages. Random places of 512 MB, dynamic INT8: about 15 % faster, INT4: 10 %. Places that are
// at hand take 4 (dynamic) to 10 % longer with requests than without.
inline constexpr int64_t kFarBytes = 16 * 1024 * 1024;

inline bool IsFar(const ScatterStart& start, const ScatterGeometry& g) {
  return std::abs(start.first_stride) * g.firsts >= kFarBytes;
}

// Copies and static codes, which take less time, are asked for also by calls that write this many bytes: 512 KB of a
// smaller cache 10 % faster. Dynamic quantization was up to 30 % slower.
inline constexpr int64_t kManyBytes = 256 * 1024;

// Where the first cache lines of an update lie, as offsets from its place, and how many updates ahead to ask for them.
struct ScatterLines {
  static constexpr int kMost = 32;
  static constexpr int64_t kLine = 64;

  int count = 0;
  bool joined = false;  // updates that follow one another are written as one, and nothing is asked for them
  int64_t ahead = 1;
  int64_t offset[kMost];

  // None, or those of updates shaped like the window into what begins at `start`, if it is worth asking for them.
  ScatterLines() = default;
  ScatterLines(const TensorView& window, const ScatterStart& start, const ScatterGeometry& geometry);
};

// One task's walk over its updates.
class ScatterPrefetch {
 public:
  ScatterPrefetch(const ScatterCut& cut, int task, const ScatterTable& table, const ScatterLines& lines)
      : cut_(cut), task_(task), table_(table), lines_(lines) {}

  // To be called before update i, with i ascending.
  void Before(int64_t i) {
    if (lines_.count == 0) return;
    const int64_t end = std::min(i + lines_.ahead + 1, cut_.EndOf(task_));
    for (next_ = std::max(next_, i + 1); next_ < end; ++next_) {
      ScatterPlace place;
      if (!cut_.Takes(task_, next_, &place)) continue;
      const char* const base = table_.At(place);
      if (Follows(base)) continue;
      for (int k = 0; k < lines_.count; ++k) __builtin_prefetch(base + lines_.offset[k], /*rw=*/1);
    }
  }

  // For a caller who asks on its own: the place of an update after i that is to be asked for, or null. To be called for
  // each update, with i ascending.
  const char* Next(int64_t i) {
    const int64_t next = i + lines_.ahead;
    ScatterPlace place;
    if (lines_.count == 0 || next >= cut_.EndOf(task_) || !cut_.Takes(task_, next, &place)) return nullptr;
    const char* const base = table_.At(place);
    return Follows(base) ? nullptr : base;
  }

 private:
  // Whether an update that begins at `base` is written together with the one before it.
  bool Follows(const char* base) {
    const auto at = reinterpret_cast<uintptr_t>(base);
    const bool follows = lines_.joined && at == behind_;
    behind_ = at + static_cast<uintptr_t>(table_.step);
    return follows;
  }

  const ScatterCut& cut_;
  const int task_;
  const ScatterTable& table_;
  const ScatterLines& lines_;
  int64_t next_ = 0;
  uintptr_t behind_ = 0;  // where an update that follows the last one begins
};

}  // namespace kvant

#endif  // KVANT_CORE_SCATTER_PREFETCH_H_
