// Kernels over rows, written once over a team (cuda_team.cuh).
#ifndef KVANT_ROWWISE_CUDA_ROWS_CUH_
#define KVANT_ROWWISE_CUDA_ROWS_CUH_

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

// `grid` indices to offsets of the tensors [0, kTensors).
template <int kTensors>
KVANT_INLINE void Locate(const Grid& grid, int64_t index, int64_t (&offset)[kTensors]) {
  KVANT_UNROLL
  for (int t = 0; t < kTensors; ++t) offset[t] = 0;
  for (int d = grid.rank - 1; d >= 0; --d) {
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
    Locate(p.grid, parts.remainder, offset);
    ScatterPlace to{0, 0};
    place.update = parts.quotient;
    place.skipped = !p.scatter.index.Decode(place.update, &to);
    place.first = to.first;
    const int64_t t = Divide(parts.remainder, p.scatter.rows_per_position).quotient;
    place.position = to.start + (p.scatter.index.geometry().length == 1 ? 0 : t % p.scatter.index.geometry().length);
    offset[kRowX] += place.update * p.scatter.update_stride;
    if (!place.skipped) {
      KVANT_UNROLL
      for (int i = kRowY; i < kGridTensors; ++i) {
        offset[i] += to.first * p.scatter.first_stride[i] + to.start * p.scatter.axis_stride[i];
      }
    }
  } else {
    Locate(p.grid, row, offset);
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

// x' of a column, wherever it lies.
template <class In>
KVANT_INLINE float Element(const CudaRows& p, const RowPlace& at, int64_t column) {
  const float v = L::Number(LoadAs<In>(at.x + column * p.x_step));
  return at.smooth == nullptr ? v : L::Mul(v, NumberOf(at.smooth + column * p.smooth_step, p.smooth_dtype));
}

// Statistics of columns [from, to), each thread's share of them added to its own.
template <class In, class Team>
KVANT_INLINE void MeasureStretch(const Team& team, const CudaRows& p, const RowPlace& at, int64_t from, int64_t to,
                                 typename Team::template Own<MinMaxBits>* bits) {
  team.Each([&](int t) {
    for (int64_t c = from + t; c < to; c += team.width()) AddNumber(Element<In>(p, at, c), &(*bits)[t]);
  });
}

// Codes of columns [from, to), one by one or, for INT4, in pairs; from is even then.
template <class In, Format kFormat, class Team>
KVANT_INLINE void EncodeStretch(const Team& team, const CudaRows& p, const RowPlace& at, int64_t from, int64_t to,
                                const RowCode& code) {
  const bool twice = sizeof(In) == 4 || p.smooth != nullptr;
  const auto one = [&](int64_t c) -> int32_t {
    if (code.how == kCodesZero || at.zero) return 0;
    const float v = Element<In>(p, at, c);
    if (code.how == kCodesExact) return ExactCode<kFormat>(v, code, p.asymmetric);
    return p.asymmetric ? FastCode<kFormat, true>(v, code, twice) : FastCode<kFormat, false>(v, code, twice);
  };
  team.Each([&](int t) {
    if constexpr (kFormat == Format::kInt4) {
      for (int64_t c = from + 2 * t; c < to; c += 2 * team.width()) {
        const int32_t codes[2] = {one(c), one(c + 1)};
        Store(at.y + c / 2, PackCodes<kFormat>(codes));
      }
    } else {
      for (int64_t c = from + t; c < to; c += team.width()) {
        const int32_t codes[1] = {one(c)};
        Store(at.y + c * p.y_step, PackCodes<kFormat>(codes));
      }
    }
  });
}

// Statistics, where only the magnitude counts with it as the maximum.
template <bool kMagnitude>
KVANT_INLINE MinMaxValues Numbers(const MinMaxBits& bits, bool empty_is_zero) {
  MinMaxValues v = ValuesOf<L>(bits, empty_is_zero);
  if constexpr (kMagnitude) {
    const int32_t a = L::Bits(v.min) & INT32_MAX, b = L::Bits(v.max) & INT32_MAX;
    v.max = L::FloatOf(L::MaxI(a, b));
  }
  return v;
}

template <Format kFormat>
KVANT_INLINE RowCode ParametersOf(const CudaRows& p, const MinMaxValues& v) {
  return CodeOf<kFormat>(ParamsOf<L>(v.min, v.max, p.asymmetric, p.d, p.r, p.param_dtype), v, p.asymmetric, p.d, p.r,
                         p.param_dtype);
}

template <class Team>
KVANT_INLINE void StoreParameters(const Team& team, const CudaRows& p, const RowPlace& at, const RowCode& code) {
  team.Each([&](int t) {
    if (t != 0) return;
    PutNumber(at.scale, at.zero ? 0 : code.scale, p.param_dtype, false);
    if (p.asymmetric) PutNumber(at.offset, at.zero ? 0 : code.offset, p.param_dtype, !at.zero && p.negate_offset);
  });
}

struct MergeBits {
  KVANT_INLINE MinMaxBits operator()(const MinMaxBits& a, const MinMaxBits& b) const { return Merge(a, b); }
};

// A row at a time, read once: its elements stay in registers, kVectors words of 16 bytes to a thread. For plans that
// TakesVectors, of stage kBoth, with rows that fit a team.
template <class In, Format kFormat, bool kAsymmetric, int kVectors>
struct RowKernel {
  static constexpr int kElements = 16 / static_cast<int>(sizeof(In));
  using Vector = Packed<16>;
  struct Held {
    Vector vector[kVectors];
  };

  CudaRows plan;

  template <class Team>
  KVANT_HOST_DEVICE void operator()(Team& team) const {
    CheckGroups(team, plan);
    const int64_t vectors = plan.columns / kElements;
    typename Team::template Own<Held> held(team);
    typename Team::template Own<MinMaxBits> bits(team);
    for (int64_t row = team.index(); row < plan.rows; row += team.count()) {
      const RowPlace at = PlaceOf(plan, row);
      if (at.skipped) {
        ReportSkipped(team, plan.scatter, at.update, plan.faults, plan.op);
        continue;
      }
      if (IsOverwritten(team, plan.scatter, at.update, at.first, at.position)) continue;
      team.Each([&](int t) { bits[t] = ReadAndMeasure(at, vectors, team.width(), t, &held[t]); });
      const RowCode code = team.Reduce(bits, MergeBits(), [&](const MinMaxBits& all) {
        return ParametersOf<kFormat>(plan, Numbers<false>(all, true));
      });
      StoreParameters(team, plan, at, code);
      if (code.how == kCodesFast && !at.zero) {
        team.Each([&](int t) { Encode(at, vectors, team.width(), t, held[t], code); });
      } else {
        EncodeStretch<In, kFormat>(team, plan, at, 0, plan.columns, code);
      }
    }
  }

 private:
  KVANT_INLINE void Multiply(const RowPlace& at, int64_t vector, const Vector& x, float (&v)[kElements]) const {
    KVANT_UNROLL
    for (int i = 0; i < kElements; ++i) v[i] = NumberAt<In>(x, i);
    if (at.smooth == nullptr) return;
    float smooth[kElements];
    NumbersOf(at.smooth + vector * kElements * plan.smooth_step, plan.smooth_dtype, smooth);
    KVANT_UNROLL
    for (int i = 0; i < kElements; ++i) v[i] = L::Mul(v[i], smooth[i]);
  }

  KVANT_INLINE MinMaxBits ReadAndMeasure(const RowPlace& at, int64_t vectors, int width, int t, Held* held) const {
    KVANT_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      const int64_t vector = t + static_cast<int64_t>(i) * width;
      if (vector < vectors) held->vector[i] = Load<16>(at.x + vector * 16);
    }
    MinMaxBits bits;
    if (!kAsymmetric) bits = {0, 0};
    if (t >= vectors) return bits;
    if constexpr (sizeof(In) == 2) {
      if (at.smooth == nullptr) {
        PairRange<In, !kAsymmetric> range;
        KVANT_UNROLL
        for (int i = 0; i < kVectors; ++i) {
          if (t + static_cast<int64_t>(i) * width >= vectors) continue;
          KVANT_UNROLL
          for (int k = 0; k < 4; ++k) range.Add(held->vector[i].word[k]);
        }
        return range.Get();
      }
    }
    KVANT_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      const int64_t vector = t + static_cast<int64_t>(i) * width;
      if (vector >= vectors) continue;
      float v[kElements];
      Multiply(at, vector, held->vector[i], v);
      KVANT_UNROLL
      for (int k = 0; k < kElements; ++k) {
        if constexpr (kAsymmetric) {
          AddNumber(v[k], &bits);
        } else {
          bits.max = L::MaxI(bits.max, L::Bits(v[k]) & INT32_MAX);
        }
      }
    }
    return bits;
  }

  KVANT_INLINE void Encode(const RowPlace& at, int64_t vectors, int width, int t, const Held& held,
                           const RowCode& code) const {
    const bool twice = sizeof(In) == 4 || at.smooth != nullptr;
    KVANT_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      const int64_t vector = t + static_cast<int64_t>(i) * width;
      if (vector >= vectors) continue;
      float v[kElements];
      Multiply(at, vector, held.vector[i], v);
      int32_t codes[kElements];
      KVANT_UNROLL
      for (int k = 0; k < kElements; ++k) codes[k] = FastCode<kFormat, kAsymmetric>(v[k], code, twice);
      const auto packed = PackCodes<kFormat>(codes);
      Store(at.y + vector * static_cast<int64_t>(kElements) / (kFormat == Format::kInt4 ? 2 : 1), packed);
    }
  }
};

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
      if (team.index() == 0) StoreParameters(team, plan, at, code);
    }
    for (int64_t i = team.index(); i < plan.rows * plan.segments; i += team.count()) {
      const RowPiece piece = PieceOf(plan, i);
      const RowPlace at = PlaceOf(plan, piece.row);
      if (at.skipped) {
        ReportSkipped(team, plan.scatter, at.update, plan.faults, plan.op);
        continue;
      }
      if (IsOverwritten(team, plan.scatter, at.update, at.first, at.position)) continue;
      if (plan.stage == Stage::kEncode) {
        code = Given(at);
      } else if (!plan.per_tensor) {
        code = plan.partial == nullptr ? Own(team, &bits, at)
                                       : Merged(team, &bits, piece.row * plan.segments, plan.segments);
        if (piece.from == 0) StoreParameters(team, plan, at, code);
      }
      EncodeStretch<In, kFormat>(team, plan, at, piece.from, piece.to, code);
    }
  }

 private:
  template <class Team>
  KVANT_INLINE RowCode Finish(const Team& team, typename Team::template Own<MinMaxBits>* bits) const {
    return team.Reduce(*bits, MergeBits(), [&](const MinMaxBits& all) {
      const MinMaxValues v = plan.asymmetric ? Numbers<false>(all, true) : Numbers<true>(all, true);
      return ParametersOf<kFormat>(plan, v);
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

#endif  // KVANT_ROWWISE_CUDA_ROWS_CUH_
