// Where rows are: grids, groups, and places that indices name.
#ifndef KVANT_ROWWISE_CUDA_PLACES_CUH_
#define KVANT_ROWWISE_CUDA_PLACES_CUH_

#include "kvant/core/cuda_fault.cuh"
#include "kvant/rowwise/cuda_element.cuh"
#include "kvant/rowwise/cuda_rows.h"
#include "kvant/rowwise/cuda_team.cuh"

namespace kvant::cuda {

// Where the parts of a row are.
struct RowPlace {
  const char* x;
  char* y;
  char* scale;
  char* offset;
  const char* smooth;  // of its first element, or null
  int64_t update;      // of a scatter
  bool skipped;        // nothing is written
  bool zero;           // codes, scale and offset 0: the row has no group
};

// An index over the first `rank` dimensions of a grid to offsets of the tensors [0, kTensors).
template <int kTensors, class Index>
KVANT_INLINE void Locate(const Grid& grid, int rank, Index index, int64_t (&offset)[kTensors]) {
  KVANT_UNROLL
  for (int t = 0; t < kTensors; ++t) offset[t] = 0;
  KVANT_NO_UNROLL
  for (int d = rank - 1; d > 0; --d) {
    const auto parts = Divide(index, static_cast<Index>(grid.dims[d].extent));
    index = parts.quotient;
    KVANT_UNROLL
    for (int t = 0; t < kTensors; ++t) offset[t] += static_cast<int64_t>(parts.remainder) * grid.dims[d].stride[t];
  }
  if (rank == 0) return;
  KVANT_UNROLL
  for (int t = 0; t < kTensors; ++t) offset[t] += static_cast<int64_t>(index) * grid.dims[0].stride[t];
}

// A number of rows by one that the plan knows.
KVANT_INLINE Parts<uint32_t> DivideRow(uint32_t row, const Divisor& by, int64_t) { return Divide(row, by); }
KVANT_INLINE Divided DivideRow(int64_t row, const Divisor&, int64_t by) { return Divide(row, by); }

// A row before its indices are read: x is there, and with kSmooth the smooth scales; what the row writes is where the
// update would write at 0. Index: uint32_t where the number of rows is one.
template <bool kSmooth, class Index>
KVANT_INLINE RowPlace SourceOf(const CudaRows& p, Index row) {
  RowPlace place{};
  int64_t offset[kGridTensors];
  if (p.scatter.on) {
    const auto parts = DivideRow(row, p.scatter.by_update, p.scatter.rows_per_update);
    Locate(p.grid, p.grid.rank, parts.remainder, offset);
    place.update = static_cast<int64_t>(parts.quotient);
    offset[kRowX] += place.update * p.scatter.update_stride[kRowX];
  } else {
    Locate(p.grid, p.grid.rank, row, offset);
  }
  place.x = p.data[kRowX] + offset[kRowX];
  place.y = p.data[kRowY] + offset[kRowY];
  place.scale = p.data[kRowScale] + offset[kRowScale];
  place.offset = p.data[kRowOffset] + offset[kRowOffset];
  if constexpr (kSmooth) {
    if (p.smooth == nullptr) return place;
    const auto token = DivideRow(row, p.by_token, p.rows_per_token);
    int64_t group = 0;
    if (p.grouped) {
      group = p.groups.GroupOf(static_cast<int64_t>(token.quotient));
      place.zero = group >= p.groups.size();
      if (place.zero) return place;
    }
    place.smooth =
        p.smooth + group * p.smooth_group_stride + static_cast<int64_t>(token.remainder) * p.columns * p.smooth_step;
  }
  return place;
}

// Moves it to the place that its update names.
KVANT_INLINE void Aim(const CudaRows& p, RowPlace* place) {
  if (!p.scatter.on) return;
  ScatterPlace to{0, 0};
  place->skipped = !p.scatter.index.Decode(place->update, &to);
  if (place->skipped) return;
  const auto along = [&](int i) { return to.first * p.scatter.first_stride[i] + to.start * p.scatter.axis_stride[i]; };
  place->y += along(kRowY);
  place->scale += along(kRowScale);
  place->offset += along(kRowOffset);
}

KVANT_INLINE RowPlace PlaceOf(const CudaRows& p, int64_t row) {
  RowPlace place = SourceOf<true>(p, row);
  Aim(p, &place);
  return place;
}

// Leaves the first fault of the groups behind; the work of team 0.
template <class Team>
KVANT_INLINE void CheckGroups(const Team& team, const CudaRows& p) {
  if (!p.grouped || team.index() != 0) return;
  typename Team::template Own<int64_t> lowest(team);
  team.Each([&](int t) {
    lowest[t] = INT64_MAX;
    for (int64_t i = t; i < p.groups.size() && lowest[t] == INT64_MAX; i += team.width()) {
      if (p.groups.FaultAt(i, p.tokens).kind != FaultKind::kNone) lowest[t] = i;
    }
  });
  const int64_t at = team.Reduce(
      lowest, [](int64_t a, int64_t b) { return a < b ? a : b; }, [](int64_t v) { return v; });
  team.Each([&](int t) {
    if (t != 0) return;
    RecordFault(p.faults, p.op, at == INT64_MAX ? p.groups.FaultOfNone(p.tokens) : p.groups.FaultAt(at, p.tokens));
  });
}

// Leaves the fault of a skipped update behind.
template <class Team>
KVANT_INLINE void ReportSkipped(const Team& team, const CudaScatter& s, int64_t update, CudaFaultRecord* faults,
                                const char* op) {
  team.Each([&](int t) {
    if (t == 0) RecordFault(faults, op, s.index.FaultAt(update));
  });
}

// Whether a later update writes the place (first, position) of this one as well.
template <class Team>
KVANT_INLINE bool IsOverwritten(const Team& team, const CudaScatter& s, int64_t update, int64_t first,
                                int64_t position) {
  if (!s.deterministic) return false;
  const ScatterGeometry& g = s.index.geometry();
  if (g.mode == IndexMode::kBatch) return false;
  typename Team::template Own<uint32_t> found(team);
  team.Each([&](int t) {
    found[t] = 0;
    KVANT_NO_UNROLL
    for (int64_t i = update + 1 + t; i < g.updates; i += team.width()) {
      ScatterPlace other;
      if (s.index.Decode(i, &other) && other.first == first && other.start <= position &&
          position < other.start + g.length) {
        found[t] = 1;
      }
    }
  });
  return team.Reduce(
             found, [](uint32_t a, uint32_t b) { return a | b; }, [](uint32_t v) { return v; }) != 0;
}

// The same of a row that is not skipped.
template <class Team>
KVANT_INLINE bool IsOverwritten(const Team& team, const CudaRows& p, int64_t row) {
  if (!p.scatter.on || !p.scatter.deterministic) return false;
  const Divided parts = Divide(row, p.scatter.rows_per_update);
  const int64_t length = p.scatter.index.geometry().length;
  ScatterPlace to{0, 0};
  if (!p.scatter.index.Decode(parts.quotient, &to)) return false;
  if (length != 1) to.start += Divide(parts.remainder, p.scatter.rows_per_position).quotient % length;
  return IsOverwritten(team, p.scatter, parts.quotient, to.first, to.start);
}

}  // namespace kvant::cuda

#endif  // KVANT_ROWWISE_CUDA_PLACES_CUH_
