// The groups of dequant_swiglu_quant, which a warp looks through 32 at a time.
#ifndef KVANT_OPS_DEQUANT_SWIGLU_QUANT_CUDA_GROUPS_CUH_
#define KVANT_OPS_DEQUANT_SWIGLU_QUANT_CUDA_GROUPS_CUH_

#include "kvant/core/cuda_fault.cuh"
#include "kvant/ops/dequant_swiglu_quant/groups.h"

namespace kvant::cuda {

// All teams of a warp have to call its functions together, with the same arguments.
template <class Team>
class GroupFinder {
 public:
  // `groups` outlives it; `rows` is less than 2^30.
  KVANT_INLINE GroupFinder(const Team& team, const swiglu::Groups& groups, int rows)
      : team_(team), groups_(groups), rows_(rows) {}

  // -1: none, because its group is illegal, or all groups are before it.
  KVANT_INLINE int64_t ParameterRowOf(int row) {
    if (groups_.none()) return 0;
    if (row >= first_ && row < end_) return parameter_row_;  // rows ascend
    const Found found = First([&](int, int, int end) { return end > row; });
    if (found.group < 0) return -1;
    first_ = found.first;
    end_ = found.end;
    // After an illegal count nobody knows where groups begin.
    const bool legal = end_ <= rows_ && groups_.HasParameterRow(found.group);
    parameter_row_ = legal ? groups_.ParameterRow(found.group) : -1;
    return parameter_row_;
  }

  // The first illegal group; kNone if there is none.
  KVANT_INLINE IndexFault FirstFault() const {
    if (groups_.none()) return {};
    const Found found = First(
        [&](int group, int first, int) { return groups_.FaultAt(group, rows_ - first).kind != FaultKind::kNone; });
    return found.group < 0 ? IndexFault{} : groups_.FaultAt(found.group, rows_ - found.first);
  }

 private:
  static constexpr int kLanes = 32;
  using Sums = typename Team::template Lanes<int32_t>;
  using Flags = typename Team::template Lanes<int32_t>;

  // A group with its rows [first, end).
  struct Found {
    int group, first, end;
  };
  // The first group of which test(group, first, end) is true; group -1 if there is none.
  template <class Test>
  KVANT_INLINE Found First(const Test& test) const {
    Sums first(team_), end(team_);
    Flags flags(team_);
    int before = 0;
    for (int base = 0; base < groups_.size(); base += kLanes) {
      FirstRows(base, before, &first);
      team_.EachLane([&](int lane) {
        const int group = base + lane;
        end[lane] = Add(first[lane], RowsOf(group));
        flags[lane] = group < groups_.size() && test(group, first[lane], end[lane]);
      });
      if (const int lane = team_.FirstOf(flags); lane < kLanes) {
        return {base + lane, team_.OfLane(first, lane), team_.OfLane(end, lane)};
      }
      before = team_.OfLane(end, kLanes - 1);
    }
    return {-1, 0, 0};
  }

  // Sums stop at what is more than there are rows.
  KVANT_INLINE int Add(int a, int b) const { return a + b > rows_ ? rows_ + 1 : a + b; }
  KVANT_INLINE int RowsOf(int group) const {
    if (group >= groups_.size()) return 0;
    const int64_t count = groups_.Count(group);
    return count < 0 || count > rows_ ? rows_ + 1 : static_cast<int>(count);
  }
  KVANT_INLINE void FirstRows(int base, int before, Sums* first) const {
    team_.EachLane([&](int lane) { (*first)[lane] = RowsOf(base + lane); });
    team_.Before(*first, 0, [&](int a, int b) { return Add(a, b); });
    team_.EachLane([&](int lane) { (*first)[lane] = Add(before, (*first)[lane]); });
  }

  const Team& team_;
  const swiglu::Groups& groups_;
  const int rows_;
  // The group that was found last.
  int first_ = 0, end_ = 0;
  int64_t parameter_row_ = -1;
};

}  // namespace kvant::cuda

#endif  // KVANT_OPS_DEQUANT_SWIGLU_QUANT_CUDA_GROUPS_CUH_
