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
    Sums first(team_);
    int before = 0;
    for (int base = 0; base < groups_.size(); base += kLanes) {
      Flags flags(team_);
      Sums end(team_);
      FirstRows(base, before, &first);
      team_.EachLane([&](int lane) {
        end[lane] = Add(first[lane], RowsOf(base + lane));
        flags[lane] = end[lane] > row && base + lane < groups_.size();
      });
      if (const int lane = team_.FirstOf(flags); lane < kLanes) {
        // After an illegal count nobody knows where groups begin.
        first_ = team_.OfLane(first, lane);
        end_ = team_.OfLane(end, lane);
        const bool legal = end_ <= rows_ && groups_.HasParameterRow(base + lane);
        parameter_row_ = legal ? groups_.ParameterRow(base + lane) : -1;
        return parameter_row_;
      }
      before = team_.OfLane(end, kLanes - 1);
    }
    return -1;
  }

  // The first illegal group; kNone if there is none.
  KVANT_INLINE IndexFault FirstFault() const {
    if (groups_.none()) return {};
    Sums first(team_);
    int before = 0;
    for (int base = 0; base < groups_.size(); base += kLanes) {
      Flags flags(team_);
      Sums end(team_);
      FirstRows(base, before, &first);
      team_.EachLane([&](int lane) {
        const int group = base + lane;
        end[lane] = Add(first[lane], RowsOf(group));
        flags[lane] = group < groups_.size() && groups_.FaultAt(group, rows_ - first[lane]).kind != FaultKind::kNone;
      });
      if (const int lane = team_.FirstOf(flags); lane < kLanes) {
        return groups_.FaultAt(base + lane, rows_ - team_.OfLane(first, lane));
      }
      before = team_.OfLane(end, kLanes - 1);
    }
    return {};
  }

 private:
  static constexpr int kLanes = 32;
  using Sums = typename Team::template Lanes<int32_t>;
  using Flags = typename Team::template Lanes<int32_t>;

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
