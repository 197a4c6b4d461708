// Kernels over columns that have parameters of their own: statistics along dimension -2, and codes with them. A thread
// has two neighbouring columns, which for INT4 share a byte.
#ifndef KVANT_ROWWISE_CUDA_COLUMNS_CUH_
#define KVANT_ROWWISE_CUDA_COLUMNS_CUH_

#include "kvant/rowwise/cuda_stretch.cuh"

namespace kvant::cuda {

inline constexpr int kColumnsOfThread = 2;

// What a team does at a time: some columns of a piece of dimension -2 of one leading index.
struct ColumnUnit {
  int64_t lead, segment, row, row_end, column;  // column: the team's first
};
KVANT_INLINE ColumnUnit UnitOf(const CudaColumns& p, int64_t unit, int64_t tiles, int width) {
  const Divided tile = Divide(unit, tiles), piece = Divide(tile.quotient, p.segments);
  const int64_t row = piece.remainder * p.segment_size, end = row + p.segment_size;
  return {piece.quotient, piece.remainder, row, end < p.rows ? end : p.rows, tile.remainder * width * kColumnsOfThread};
}
KVANT_INLINE int64_t TilesOf(const CudaColumns& p, int width) {
  const int64_t wide = static_cast<int64_t>(width) * kColumnsOfThread;
  return (p.columns + wide - 1) / wide;
}

template <class In>
KVANT_INLINE float ColumnElement(const CudaColumns& p, const char* column, int64_t row) {
  const float v = L::Number(LoadAs<In>(column + row * p.row_step[kRowX]));
  return p.smooth == nullptr ? v : L::Mul(v, NumberOf(p.smooth + row * p.smooth_step, p.smooth_dtype));
}

template <class In>
struct MeasureColumnsKernel {
  CudaColumns plan;

  template <class Team>
  KVANT_HOST_DEVICE void operator()(Team& team) const {
    const int64_t tiles = TilesOf(plan, team.width());
    for (int64_t i = team.index(); i < plan.leads * plan.segments * tiles; i += team.count()) {
      const ColumnUnit unit = UnitOf(plan, i, tiles, team.width());
      int64_t offset[kGridTensors];
      Locate(plan.grid, plan.grid.rank, unit.lead, offset);
      MinMaxBits* to = plan.partial + (unit.lead * plan.segments + unit.segment) * plan.columns;
      team.Each([&](int t) {
        for (int k = 0; k < kColumnsOfThread; ++k) {
          const int64_t column = unit.column + t * kColumnsOfThread + k;
          if (column >= plan.columns) return;
          const char* x = plan.data[kRowX] + offset[kRowX] + column * plan.column_step[kRowX];
          MinMaxBits bits;
          for (int64_t r = unit.row; r < unit.row_end; ++r) AddNumber(ColumnElement<In>(plan, x, r), &bits);
          to[column] = bits;
        }
      });
    }
  }
};

// The statistics of a column of one leading index.
KVANT_INLINE MinMaxBits MergedColumn(const CudaColumns& p, int64_t lead, int64_t column) {
  MinMaxBits bits;
  for (int64_t s = 0; s < p.segments; ++s) {
    bits = Merge(bits, p.partial[(lead * p.segments + s) * p.columns + column]);
  }
  return bits;
}

// Stage kMeasure after MeasureColumnsKernel: a thread for a column of a leading index.
struct ColumnStatisticsKernel {
  CudaColumns plan;

  template <class Team>
  KVANT_HOST_DEVICE void operator()(Team& team) const {
    team.Each([&](int t) {
      for (int64_t i = team.index() * team.width() + t; i < plan.leads * plan.columns;
           i += team.count() * team.width()) {
        const Divided parts = Divide(i, plan.columns);
        int64_t offset[kGridTensors];
        Locate(plan.grid, plan.grid.rank, parts.quotient, offset);
        const auto at = [&](int tensor) {
          return plan.data[tensor] + offset[tensor] + parts.remainder * plan.column_step[tensor];
        };
        const MinMaxBits bits = MergedColumn(plan, parts.quotient, parts.remainder);
        const MinMaxValues v = plan.amax_only ? Numbers<true>(bits, true) : Numbers<false>(bits, false);
        PutNumber(at(kRowScale), plan.amax_only ? v.max : v.min, DType::kFloat32, false);
        if (!plan.amax_only) PutNumber(at(kRowOffset), v.max, DType::kFloat32, false);
      }
    });
  }
};

template <class In, Format kFormat>
struct EncodeColumnsKernel {
  CudaColumns plan;

  template <class Team>
  KVANT_HOST_DEVICE void operator()(Team& team) const {
    const int64_t tiles = TilesOf(plan, team.width());
    for (int64_t i = team.index(); i < plan.leads * plan.segments * tiles; i += team.count()) {
      const ColumnUnit unit = UnitOf(plan, i, tiles, team.width());
      int64_t offset[kGridTensors];
      Locate(plan.grid, plan.grid.rank, unit.lead, offset);
      team.Each([&](int t) {
        const int64_t column = unit.column + t * kColumnsOfThread;
        if (column < plan.columns) Encode(unit, offset, column);
      });
    }
  }

 private:
  KVANT_INLINE void Encode(const ColumnUnit& unit, const int64_t (&offset)[kGridTensors], int64_t column) const {
    const bool pair = column + 1 < plan.columns;
    const RowCode code[2] = {ColumnCode(unit, offset, column), pair ? ColumnCode(unit, offset, column + 1) : RowCode{}};
    const char* x = plan.data[kRowX] + offset[kRowX] + column * plan.column_step[kRowX];
    char* y = plan.data[kRowY] + offset[kRowY];
    for (int64_t r = unit.row; r < unit.row_end; ++r) {
      char* row = y + r * plan.row_step[kRowY];
      const int32_t codes[2] = {OneCode(ColumnElement<In>(plan, x, r), code[0]),
                                pair ? OneCode(ColumnElement<In>(plan, x + plan.column_step[kRowX], r), code[1]) : 0};
      if constexpr (kFormat == Format::kInt4) {
        Store(row + column / 2, PackCodes<kFormat>(codes));
      } else {
        const int32_t first[1] = {codes[0]}, second[1] = {codes[1]};
        Store(row + column * plan.column_step[kRowY], PackCodes<kFormat>(first));
        if (pair) Store(row + (column + 1) * plan.column_step[kRowY], PackCodes<kFormat>(second));
      }
    }
  }

  KVANT_INLINE int32_t OneCode(float v, const RowCode& code) const {
    if (code.how != kCodesFast) return ExactCode<kFormat>(v, code, plan.asymmetric);
    const bool twice = sizeof(In) == 4 || plan.smooth != nullptr;
    return plan.asymmetric ? FastCode<kFormat, true>(v, code, twice) : FastCode<kFormat, false>(v, code, twice);
  }

  KVANT_INLINE RowCode ColumnCode(const ColumnUnit& unit, const int64_t (&offset)[kGridTensors], int64_t column) const {
    const auto at = [&](int tensor) { return plan.data[tensor] + offset[tensor] + column * plan.column_step[tensor]; };
    if (plan.stage == Stage::kEncode) {
      RowCode c{LoadAs<float>(at(kRowScale)), 0, 0, kCodesExact};
      if (plan.asymmetric) c.offset = LoadAs<float>(at(kRowOffset));
      if (!plan.asymmetric && c.scale == 0) c.how = kCodesZero;
      return c;
    }
    const MinMaxBits bits = MergedColumn(plan, unit.lead, column);
    const MinMaxValues v = plan.asymmetric ? Numbers<false>(bits, true) : Numbers<true>(bits, true);
    const RowParams params = ParamsOf<L>(v.min, v.max, plan.asymmetric, plan.d, plan.r, DType::kFloat32);
    if (unit.segment == 0) {
      PutNumber(at(kRowScale), params.scale, DType::kFloat32, false);
      if (plan.asymmetric) PutNumber(at(kRowOffset), params.offset, DType::kFloat32, false);
    }
    return CodeOf<kFormat>(params, v, plan.asymmetric, plan.d, plan.r, DType::kFloat32);
  }
};

}  // namespace kvant::cuda

#endif  // KVANT_ROWWISE_CUDA_COLUMNS_CUH_
