// The kernel over whole rows that stay in registers, written once over a team (cuda_team.cuh).
#ifndef KVANT_ROWWISE_CUDA_ROWS_CUH_
#define KVANT_ROWWISE_CUDA_ROWS_CUH_

#include "kvant/rowwise/cuda_stretch.cuh"

namespace kvant::cuda {

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

}  // namespace kvant::cuda

#endif  // KVANT_ROWWISE_CUDA_ROWS_CUH_
