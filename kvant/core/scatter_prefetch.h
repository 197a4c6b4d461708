// Asks for what updates will write to scattered places, or read there, before it is their turn: hardware does not guess
// where they lie.
#ifndef KVANT_CORE_SCATTER_PREFETCH_H_
#define KVANT_CORE_SCATTER_PREFETCH_H_

#include <cstdlib>

#include "kvant/core/prefetch.h"
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
  bool joined = false;  // updates that follow one another are taken as one, and nothing is asked for them
  int64_t ahead = 1;
  int64_t offset[kMost];

  ScatterLines() {}  // NOLINT(modernize-use-equals-default): keeps {} from clearing the offsets
  // Of updates shaped like `window`.
  explicit ScatterLines(const ConstTensorView& window);

  // Inline like all who call it: g++ leaves out calls of functions that only ask.
  template <PrefetchFor kFor>
  KVANT_INLINE void Ask(const char* base) const {
    for (int k = 0; k < count; ++k) PrefetchLine<kFor>(base + offset[k]);
  }
};

// Whether `bytes` of codes or copies, of several updates of what begins at `start`, are worth asking for.
inline bool IsWorthAsking(const ScatterStart& start, const ScatterGeometry& g, int64_t bytes) {
  return g.updates > 1 && (bytes >= kManyBytes || IsFar(start, g));
}

// A walk over updates that asks for those to come. place_of(i, &place): whether update i is there, and where.
template <class PlaceOf>
class ScatterPrefetch {
 public:
  ScatterPrefetch(const PlaceOf& place_of, int64_t end, const ScatterTable& table, const ScatterLines& lines)
      : place_of_(place_of), end_(end), table_(table), lines_(lines) {}

  // To be called before update i, with i ascending. ask(place, its address) for each that is to be asked for.
  template <class Ask>
  void Before(int64_t i, const Ask& ask) {
    if (lines_.count == 0) return;
    const int64_t end = std::min(i + lines_.ahead + 1, end_);
    for (next_ = std::max(next_, i + 1); next_ < end; ++next_) {
      ScatterPlace place;
      if (const char* const base = Begin(next_, &place); base != nullptr) ask(place, base);
    }
  }
  // The lines that will be written.
  void Before(int64_t i) {
    Before(
        i, [this](const ScatterPlace&, const char* base)
               __attribute__((always_inline)) { lines_.template Ask<PrefetchFor::kWrite>(base); });
  }

  // For a caller who asks on its own: the place of an update after i that is to be asked for, or null. To be called for
  // each update, with i ascending.
  const char* Next(int64_t i) {
    const int64_t next = i + lines_.ahead;
    ScatterPlace place;
    return lines_.count == 0 || next >= end_ ? nullptr : Begin(next, &place);
  }

 private:
  // Where update i begins; null if it is not there, or is taken together with the one before it.
  KVANT_INLINE const char* Begin(int64_t i, ScatterPlace* place) {
    if (!place_of_(i, place)) return nullptr;
    const char* const base = table_.At(*place);
    const auto at = reinterpret_cast<uintptr_t>(base);
    const bool follows = lines_.joined && at == behind_;
    behind_ = at + static_cast<uintptr_t>(table_.step);
    return follows ? nullptr : base;
  }

  const PlaceOf place_of_;
  const int64_t end_;
  const ScatterTable& table_;
  const ScatterLines& lines_;
  int64_t next_ = 0;
  uintptr_t behind_ = 0;  // where an update that follows the last one begins
};

// Over the updates of one task.
inline auto PrefetchOf(const ScatterCut& cut, int task, const ScatterTable& table, const ScatterLines& lines) {
  const auto place_of = [&cut, task](int64_t i, ScatterPlace* place) { return cut.Takes(task, i, place); };
  return ScatterPrefetch(place_of, cut.EndOf(task), table, lines);
}

}  // namespace kvant

#endif  // KVANT_CORE_SCATTER_PREFETCH_H_
