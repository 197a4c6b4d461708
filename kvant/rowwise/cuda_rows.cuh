// The kernel over whole rows that stay in registers, written once over a team (cuda_team.cuh).
#ifndef KVANT_ROWWISE_CUDA_ROWS_CUH_
#define KVANT_ROWWISE_CUDA_ROWS_CUH_

#include <type_traits>

#include "kvant/rowwise/cuda_stretch.cuh"

namespace kvant::cuda {

// kRows rows at a time, read once: their elements stay in registers, kVectors words of 16 bytes of each to a thread. So
// many words are asked for before the first is used, and indices while they come. For plans that TakesVectors, of stage
// kBoth, with rows that fit a team; smooth scales and groups need kSmooth.
template <class In, Format kFormat, bool kAsymmetric, bool kSmooth, int kRows, int kVectors>
class RowKernel {
 public:
  explicit RowKernel(const CudaRows& plan) : plan_(plan) {}

  template <class Team>
  KVANT_HOST_DEVICE void operator()(Team& team) const {
    if constexpr (kSmooth) CheckGroups(team, plan_);
    typename Team::template Own<Held> held(team);
    typename Team::template Own<RowPlace> place(team);
    typename Team::template Own<const char*> x(team);
    typename Team::template Own<char*> y(team);
    typename Team::template Own<int32_t> rare(team);
    typename Team::template Own<Ranges> ranges(team);
    typename Team::template Own<RowCode> codes(team);
    const int vectors = static_cast<int>(plan_.columns / kElements);
    // The teams of a warp stay together, also where the last of them have no rows.
    const int last = static_cast<int>(plan_.rows) - 1, step = static_cast<int>(team.count()) * kRows;
    const int in_warp = static_cast<int>(team.index() - team.first_of_warp()) * kRows;
    for (int lead = static_cast<int>(team.first_of_warp()) * kRows; lead <= last; lead += step) {
      const int first = lead + in_warp;
      team.Each([&](int t) {
        const int row = first + RowOfThread<kRows>(t);
        place[t] = SourceOf<kSmooth>(plan_, static_cast<uint32_t>(row < last ? row : last));
        x[t] = place[t].x;
      });
      const char* from[kRows];
      KVANT_UNROLL
      for (int r = 0; r < kRows; ++r) from[r] = team.template OfRow<kRows>(x, r);
      team.Each([&](int t) { Read(from, vectors, team.width(), t, &held[t]); });
      team.Each([&](int t) {
        Aim(plan_, &place[t]);
        if (first + RowOfThread<kRows>(t) > last) {
          place[t].skipped = true;
        } else if (place[t].skipped && t < kRows) {
          ReportRarely(plan_, place[t].update);
        }
      });
      if (plan_.scatter.deterministic) SkipOverwritten(team, first, last, &place);
      team.Each([&](int t) { ranges[t] = Measure(place[t].smooth, held[t], vectors, team.width(), t); });
      team.template ReduceRows<kRows>(ranges, codes, MergeRanges(), [&](const Range& all) {
        return ParametersOf<kFormat>(plan_, kAsymmetric, Numbers<false>(Wide(all), true));
      });
      team.Each([&](int t) {
        const RowPlace& to = place[t];
        if (t < kRows && !to.skipped) StoreParameters(plan_, kAsymmetric, to, codes[t]);
        rare[t] = !to.skipped && (codes[t].how != kCodesFast || (kSmooth && to.zero));
        y[t] = to.skipped || rare[t] ? nullptr : to.y;
      });
      KVANT_UNROLL
      for (int r = 0; r < kRows; ++r) {
        char* const to = team.template OfRow<kRows>(y, r);
        const RowCode code = team.template OfRow<kRows>(codes, r);
        if (to == nullptr) continue;
        team.Each([&](int t) { Encode(place[t].smooth, to, held[t].vector[r], code, vectors, team.width(), t); });
      }
      if (!team.Any(rare)) continue;
      KVANT_NO_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const RowCode code = team.template OfRow<kRows>(codes, r);
        if (!team.template OfRow<kRows>(rare, r)) continue;
        team.Each([&](int t) { EncodeRarely(plan_, first + r, code, team.width(), t); });
      }
    }
  }

 private:
  static constexpr int kElements = 16 / static_cast<int>(sizeof(In));
  static constexpr int kCodeBytes = kElements * (kFormat == Format::kInt4 ? 4 : 8) / 8;  // of a word
  static constexpr bool kPairs = sizeof(In) == 2 && !kSmooth;
  using Vector = Packed<16>;
  using Pairs = PairRange<std::conditional_t<kPairs, In, Float16>, !kAsymmetric>;
  using Range = std::conditional_t<kPairs, typename Pairs::Bits, MinMaxBits>;
  struct Held {
    Vector vector[kRows][kVectors];
  };
  struct Ranges {
    Range of[kRows];
  };
  struct MergeRanges {
    KVANT_INLINE Range operator()(const Range& a, const Range& b) const {
      if constexpr (kPairs) {
        return Pairs::Merge(a, b);
      } else {
        return Merge(a, b);
      }
    }
  };
  KVANT_INLINE static MinMaxBits Wide(const Range& range) {
    if constexpr (kPairs) {
      return Pairs::Wide(range);
    } else {
      return range;
    }
  }

  template <class Team>
  KVANT_INLINE void SkipOverwritten(const Team& team, int first, int last,
                                    typename Team::template Own<RowPlace>* place) const {
    KVANT_NO_UNROLL
    for (int r = 0; r < kRows; ++r) {
      if (first + r > last || !IsOverwritten(team, plan_, first + r)) continue;
      team.Each([&](int t) { (*place)[t].skipped = (*place)[t].skipped || RowOfThread<kRows>(t) == r; });
    }
  }

  // Word i of thread t. Beyond the end the last one is read and measured again.
  KVANT_INLINE static int WordOf(int t, int i, int vectors, int width) {
    const int word = t + i * width;
    return word < vectors ? word : vectors - 1;
  }

  KVANT_INLINE static void Read(const char* const (&from)[kRows], int vectors, int width, int t, Held* held) {
    KVANT_UNROLL
    for (int r = 0; r < kRows; ++r) {
      KVANT_UNROLL
      for (int i = 0; i < kVectors; ++i) {
        held->vector[r][i] = Load<16>(from[r] + static_cast<int64_t>(WordOf(t, i, vectors, width)) * 16);
      }
    }
  }

  // x' of the elements of a word.
  KVANT_INLINE void Elements(const char* smooth, int vector, const Vector& x, float (&v)[kElements]) const {
    KVANT_UNROLL
    for (int i = 0; i < kElements; ++i) v[i] = NumberAt<In>(x, i);
    if constexpr (kSmooth) {
      if (smooth == nullptr) return;
      float factors[kElements];
      NumbersOf(smooth + static_cast<int64_t>(vector) * kElements * plan_.smooth_step, plan_.smooth_dtype, factors);
      KVANT_UNROLL
      for (int i = 0; i < kElements; ++i) v[i] = L::Mul(v[i], factors[i]);
    }
  }

  KVANT_INLINE Ranges Measure(const char* smooth, const Held& held, int vectors, int width, int t) const {
    Ranges ranges;
    KVANT_UNROLL
    for (int r = 0; r < kRows; ++r) ranges.of[r] = MeasureRow(smooth, held.vector[r], vectors, width, t);
    return ranges;
  }
  KVANT_INLINE Range MeasureRow(const char* smooth, const Vector (&x)[kVectors], int vectors, int width, int t) const {
    if constexpr (kPairs) {
      Pairs range;
      KVANT_UNROLL
      for (int i = 0; i < kVectors; ++i) {
        KVANT_UNROLL
        for (int k = 0; k < 4; ++k) range.Add(x[i].word[k]);
      }
      return range.Get();
    } else {
      MinMaxBits bits;
      if (!kAsymmetric) bits = {0, 0};
      KVANT_UNROLL
      for (int i = 0; i < kVectors; ++i) {
        float v[kElements];
        Elements(smooth, WordOf(t, i, vectors, width), x[i], v);
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
  }

  KVANT_INLINE void Encode(const char* smooth, char* y, const Vector (&x)[kVectors], const RowCode& code, int vectors,
                           int width, int t) const {
    const bool twice = sizeof(In) == 4 || (kSmooth && smooth != nullptr);
    KVANT_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      const int word = t + i * width;
      float v[kElements];
      Elements(smooth, WordOf(t, i, vectors, width), x[i], v);
      const auto packed = FastCodes<kFormat, kAsymmetric>(v, code, twice);
      if (word < vectors) Store(y + static_cast<int64_t>(word) * kCodeBytes, packed);
    }
  }

  // A row that has to be divided, or has no group.
  static KVANT_OUTLINE void EncodeRarely(const CudaRows& plan, int row, RowCode code, int width, int t) {
    EncodeShare<In, kFormat>(plan, PlaceOf(plan, row), 0, plan.columns, code, t, width);
  }
  static KVANT_OUTLINE void ReportRarely(const CudaRows& plan, int64_t update) {
    RecordFault(plan.faults, plan.op, plan.scatter.index.FaultAt(update));
  }

  const CudaRows plan_;
};

}  // namespace kvant::cuda

#endif  // KVANT_ROWWISE_CUDA_ROWS_CUH_
