// Kernels over rows of any layout and length, written once over a team (cuda_team.cuh).
#ifndef KVANT_ROWWISE_CUDA_ANY_ROWS_CUH_
#define KVANT_ROWWISE_CUDA_ANY_ROWS_CUH_

#include "kvant/rowwise/cuda_stretch.cuh"

namespace kvant::cuda {

// Columns [from, to) of a row.
struct RowPiece {
  int64_t row, from, to;
};
KVANT_INLINE RowPiece PieceOf(const CudaRows& p, int64_t piece) {
  const Divided parts = Divide(piece, p.segments);
  const int64_t from = parts.remainder * p.segment_size, end = from + p.segment_size;
  return {parts.quotient, p.segments == 1 ? 0 : from, p.segments == 1 || end > p.columns ? p.columns : end};
}

// Any strides and lengths. Statistics of pieces of rows: to `partial`, of whole rows of stage kMeasure to the results;
// per tensor those of all pieces of a team.
template <class In>
struct MeasureKernel {
  CudaRows plan;

  template <class Team>
  KVANT_HOST_DEVICE void operator()(Team& team) const {
    CheckGroups(team, plan);
    typename Team::template Own<MinMaxBits> bits(team);
    const auto same = [](const MinMaxBits& all) { return all; };
    team.Each([&](int t) { bits[t] = {}; });
    for (int64_t i = team.index(); i < plan.rows * plan.segments; i += team.count()) {
      const RowPiece piece = PieceOf(plan, i);
      const RowPlace at = PlaceOf(plan, piece.row);
      if (!at.zero) MeasureStretch<In>(team, plan, at, piece.from, piece.to, &bits);
      if (plan.per_tensor) continue;
      const MinMaxBits all = team.Reduce(bits, MergeBits(), same);
      team.Each([&](int t) {
        bits[t] = {};
        if (t != 0) return;
        if (plan.partial != nullptr) {
          plan.partial[i] = all;
        } else {
          StoreStatistics(plan, at, all);
        }
      });
    }
    if (!plan.per_tensor) return;
    const MinMaxBits all = team.Reduce(bits, MergeBits(), same);
    team.Each([&](int t) {
      if (t == 0) plan.partial[team.index()] = all;
    });
  }

  KVANT_INLINE static void StoreStatistics(const CudaRows& p, const RowPlace& at, const MinMaxBits& all) {
    const MinMaxValues v = p.amax_only ? Numbers<true>(all, true) : Numbers<false>(all, false);
    PutNumber(at.scale, at.zero ? 0 : p.amax_only ? v.max : v.min, DType::kFloat32, false);
    if (!p.amax_only) PutNumber(at.offset, at.zero ? 0 : v.max, DType::kFloat32, false);
  }
};

// Statistics of one tensor, or of rows in pieces, to results: stage kMeasure after MeasureKernel.
struct StatisticsKernel {
  CudaRows plan;

  template <class Team>
  KVANT_HOST_DEVICE void operator()(Team& team) const {
    typename Team::template Own<MinMaxBits> bits(team);
    const int64_t rows = plan.per_tensor ? 1 : plan.rows;
    const int64_t count = plan.per_tensor ? plan.partials : plan.segments;
    for (int64_t row = team.index(); row < rows; row += team.count()) {
      team.Each([&](int t) {
        bits[t] = {};
        for (int64_t k = t; k < count; k += team.width()) bits[t] = Merge(bits[t], plan.partial[row * count + k]);
      });
      const MinMaxBits all = team.Reduce(bits, MergeBits(), [](const MinMaxBits& m) { return m; });
      RowPlace at{};
      if (plan.per_tensor) {
        at.scale = plan.data[kRowScale];
        at.offset = plan.data[kRowOffset];
      } else {
        at = PlaceOf(plan, row);
      }
      team.Each([&](int t) {
        if (t == 0) MeasureKernel<float>::StoreStatistics(plan, at, all);
      });
    }
  }
};

// Any strides and lengths: codes of pieces of rows. Parameters come from the row itself, which is read twice (kBoth,
// without `partial`), from `partial`, or are given (kEncode).
template <class In, Format kFormat>
struct EncodeKernel {
  CudaRows plan;

  template <class Team>
  KVANT_HOST_DEVICE void operator()(Team& team) const {
    if (plan.stage == Stage::kEncode || plan.partial == nullptr) CheckGroups(team, plan);
    typename Team::template Own<MinMaxBits> bits(team);
    RowCode code{};
    if (plan.per_tensor && plan.stage != Stage::kEncode) {
      code = Merged(team, &bits, 0, plan.partials);
      RowPlace at{};
      at.scale = plan.data[kRowScale];
      at.offset = plan.data[kRowOffset];
      team.Each([&](int t) {
        if (t == 0 && team.index() == 0) StoreParameters(plan, plan.asymmetric, at, code);
      });
    }
    for (int64_t i = team.index(); i < plan.rows * plan.segments; i += team.count()) {
      const RowPiece piece = PieceOf(plan, i);
      const RowPlace at = PlaceOf(plan, piece.row);
      if (at.skipped) {
        ReportSkipped(team, plan.scatter, at.update, plan.faults, plan.op);
        continue;
      }
      if (IsOverwritten(team, plan, piece.row)) continue;
      if (plan.stage == Stage::kEncode) {
        code = Given(at);
      } else if (!plan.per_tensor) {
        code = plan.partial == nullptr ? Own(team, &bits, at)
                                       : Merged(team, &bits, piece.row * plan.segments, plan.segments);
      }
      team.Each([&](int t) {
        if (t == 0 && plan.stage != Stage::kEncode && !plan.per_tensor && piece.from == 0) {
          StoreParameters(plan, plan.asymmetric, at, code);
        }
        EncodeShare<In, kFormat>(plan, at, piece.from, piece.to, code, t, team.width());
      });
    }
  }

 private:
  template <class Team>
  KVANT_INLINE RowCode Finish(const Team& team, typename Team::template Own<MinMaxBits>* bits) const {
    return team.Reduce(*bits, MergeBits(), [&](const MinMaxBits& all) {
      const MinMaxValues v = plan.asymmetric ? Numbers<false>(all, true) : Numbers<true>(all, true);
      return ParametersOf<kFormat>(plan, plan.asymmetric, v);
    });
  }
  template <class Team>
  KVANT_INLINE RowCode Own(const Team& team, typename Team::template Own<MinMaxBits>* bits, const RowPlace& at) const {
    team.Each([&](int t) { (*bits)[t] = {}; });
    if (!at.zero) MeasureStretch<In>(team, plan, at, 0, plan.columns, bits);
    return Finish(team, bits);
  }
  template <class Team>
  KVANT_INLINE RowCode Merged(const Team& team, typename Team::template Own<MinMaxBits>* bits, int64_t first,
                              int64_t count) const {
    team.Each([&](int t) {
      (*bits)[t] = {};
      for (int64_t k = t; k < count; k += team.width()) (*bits)[t] = Merge((*bits)[t], plan.partial[first + k]);
    });
    return Finish(team, bits);
  }
  // Of parameters that somebody else chose nothing is known.
  KVANT_INLINE RowCode Given(const RowPlace& at) const {
    RowCode c{LoadAs<float>(at.scale), 0, 0, kCodesExact};
    if (plan.asymmetric) c.offset = LoadAs<float>(at.offset);
    if (!plan.asymmetric && c.scale == 0) c.how = kCodesZero;
    return c;
  }
};

}  // namespace kvant::cuda

#endif  // KVANT_ROWWISE_CUDA_ANY_ROWS_CUH_
