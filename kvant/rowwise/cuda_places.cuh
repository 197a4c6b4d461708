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
  const char* smooth;               // of its first element, or null
  bool skipped;                     // nothing is written
  bool zero;                        // codes, scale and offset 0: the row has no group
  int64_t update, first, position;  // of a scatter
};

// An index over the first `rank` dimensions of a grid to offsets of the tensors [0, kTensors).
template <int kTensors>
KVANT_INLINE void Locate(const Grid& grid, int rank, int64_t index, int64_t (&offset)[kTensors]) {
  KVANT_UNROLL
  for (int t = 0; t < kTensors; ++t) offset[t] = 0;
  for (int d = rank - 1; d >= 0; --d) {
    int64_t at = index;
    if (d > 0) {
      const Divided parts = Divide(index, grid.dims[d].extent);
      at = parts.remainder;
      index = parts.quotient;
    }
    KVANT_UNROLL
    for (int t = 0; t < kTensors; ++t) offset[t] += at * grid.dims[d].stride[t];
  }
}

KVANT_INLINE RowPlace PlaceOf(const CudaRows& p, int64_t row) {
  RowPlace place{};
  int64_t offset[kGridTensors];
  if (p.scatter.on) {
    const Divided parts = Divide(row, p.scatter.rows_per_update);
    Locate(p.grid, p.grid.rank, parts.remainder, offset);
    ScatterPlace to{0, 0};
    place.update = parts.quotient;
    place.skipped = !p.scatter.index.Decode(place.update, &to);
    place.first = to.first;
    const int64_t t = Divide(parts.remainder, p.scatter.rows_per_position).quotient;
    place.position = to.start + (p.scatter.index.geometry().length == 1 ? 0 : t % p.scatter.index.geometry().length);
    offset[kRowX] += place.update * p.scatter.update_stride[kRowX];
    if (!place.skipped) {
      KVANT_UNROLL
      for (int i = kRowY; i < kGridTensors; ++i) {
        offset[i] += to.first * p.scatter.first_stride[i] + to.start * p.scatter.axis_stride[i];
      }
    }
  } else {
    Locate(p.grid, p.grid.rank, row, offset);
  }
  place.x = p.data[kRowX] + offset[kRowX];
  place.y = p.data[kRowY] + offset[kRowY];
  place.scale = p.data[kRowScale] + offset[kRowScale];
  place.offset = p.data[kRowOffset] + offset[kRowOffset];
  if (p.smooth != nullptr) {
    const Divided token = Divide(row, p.rows_per_token);
    int64_t group = 0;
    if (p.grouped) {
      group = p.groups.GroupOf(token.quotient);
      place.zero = group >= p.groups.size();
      if (place.zero) group = 0;
    }
    place.smooth = p.smooth + group * p.smooth_group_stride + token.remainder * p.columns * p.smooth_step;
    if (place.zero) place.smooth = nullptr;
  }
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

// Whether a later update writes the place (first, position) as well.
template <class Team>
KVANT_INLINE bool IsOverwritten(const Team& team, const CudaScatter& s, int64_t update, int64_t first,
                                int64_t position) {
  if (!s.deterministic) return false;
  const ScatterGeometry& g = s.index.geometry();
  if (g.mode == IndexMode::kBatch) return false;
  typename Team::template Own<uint32_t> found(team);
  team.Each([&](int t) {
    found[t] = 0;
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

}  // namespace kvant::cuda

#endif  // KVANT_ROWWISE_CUDA_PLACES_CUH_
