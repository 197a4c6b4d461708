// dequant_swiglu_quant over a team: a row at a time, its values kept in registers where they fit.
#ifndef KVANT_OPS_DEQUANT_SWIGLU_QUANT_CUDA_CUH_
#define KVANT_OPS_DEQUANT_SWIGLU_QUANT_CUDA_CUH_

#include "kvant/core/cuda_fault.cuh"
#include "kvant/ops/dequant_swiglu_quant/cuda_groups.cuh"
#include "kvant/ops/dequant_swiglu_quant/cuda_plan.h"
#include "kvant/rowwise/cuda_dispatch.cuh"

namespace kvant::cuda {

#include "kvant/numerics/swish.inc"
#include "kvant/ops/dequant_swiglu_quant/formula.inc"

// Values of four columns.
inline constexpr int kQuad = 4;
struct Quad {
  float s[kQuad];
};

// kHeld: quads that a thread keeps; 0: values are made twice.
template <class In, Format kFormat, int kHeld>
struct SwigluKernel {
  swiglu::CudaPlan plan;

  template <class Team>
  KVANT_HOST_DEVICE void operator()(Team& team) const {
    GroupWalk walk(plan.groups, plan.problem.rows);
    typename Team::template Own<Held> held(team);
    typename Team::template Own<uint32_t> largest(team);
    for (int64_t row = team.index(); row < plan.problem.rows; row += team.count()) {
      walk.AdvanceTo(row);
      int64_t offset[kGridTensors];
      Locate(plan.grid, plan.grid.rank, row, offset);
      const bool used = walk.parameter_row() >= 0;
      const RowOf at{plan.data[kRowX] + offset[kRowX], plan.data[kRowY] + offset[kRowY],
                     plan.data[kRowScale] + offset[kRowScale], walk.parameter_row(), RowScale(row)};
      if (!used) {
        team.Each([&](int t) { Clear(at, t, team.width()); });
        continue;
      }
      if (!plan.dynamic) {
        team.Each([&](int t) {
          for (int64_t q = t; q < Quads(); q += team.width()) EncodeStatic(at, q, Make(at, q));
          if (t == 0) PutNumber(at.scale, 0, DType::kFloat32, false);
        });
        continue;
      }
      team.Each([&](int t) { largest[t] = MakeAll(at, t, team.width(), &held[t]); });
      const RowCode code = team.Reduce(
          largest, [](uint32_t a, uint32_t b) { return a > b ? a : b; },
          [&](uint32_t all) {
            const MinMaxValues v = ValuesOf<L>({0, static_cast<int32_t>(all)}, true);
            return CodeOf<kFormat>(ParamsOf<L>(0, v.max, false, plan.d, 0, DType::kFloat32), v, false, plan.d, 0,
                                   DType::kFloat32);
          });
      team.Each([&](int t) {
        EncodeAll(at, t, team.width(), held[t], code);
        if (t == 0) PutNumber(at.scale, code.scale, DType::kFloat32, false);
      });
    }
    if (team.index() != 0) return;
    walk.AdvanceTo(INT64_MAX);
    team.Each([&](int t) {
      if (t == 0) RecordFault(plan.faults, plan.op, walk.fault());
    });
  }

 private:
  struct Held {
    Quad quad[kHeld == 0 ? 1 : kHeld];
  };
  struct RowOf {
    const char* x;
    char* y;
    char* scale;
    int64_t parameter_row;
    float row_scale;
  };

  KVANT_INLINE int64_t Quads() const { return (plan.problem.columns + kQuad - 1) / kQuad; }

  KVANT_INLINE float RowScale(int64_t row) const {
    return plan.activation == nullptr ? 1.0f : LoadAs<float>(plan.activation + plan.activation_rows.At(row));
  }

  // Four numbers of a parameter row from `column` on.
  KVANT_INLINE static void TableAt(const swiglu::Table& t, int64_t row, int64_t column, int64_t step, int n,
                                   bool vectors, float (&to)[kQuad]) {
    const char* at = t.Row(row) + column * t.step;
    if (vectors && step == 1 && t.step == 4 && t.dtype == DType::kFloat32 &&
        reinterpret_cast<uintptr_t>(at) % 16 == 0) {
      return NumbersOf(at, t.dtype, to);
    }
    KVANT_UNROLL
    for (int i = 0; i < kQuad; ++i) to[i] = i < n ? NumberOf(at + i * step * t.step, t.dtype) : 0;
  }

  // v of four columns of x: dequantized, with bias.
  KVANT_INLINE void Elements(const RowOf& at, int64_t column, int64_t step, int n, float (&v)[kQuad]) const {
    const char* x = at.x + column * plan.x_step;
    const bool vectors = plan.vectors && step == 1;
    if constexpr (!std::is_same_v<In, int32_t>) {
      if (vectors) {
        const Packed<kQuad* static_cast<int>(sizeof(In))> p = Load<kQuad* static_cast<int>(sizeof(In))>(x);
        KVANT_UNROLL
        for (int i = 0; i < kQuad; ++i) v[i] = NumberAt<In>(p, i);
      } else {
        KVANT_UNROLL
        for (int i = 0; i < kQuad; ++i) v[i] = i < n ? L::Number(LoadAs<In>(x + i * step * plan.x_step)) : 0;
      }
    } else {
      int32_t q[kQuad];
      if (vectors) {
        const Packed<16> p = Load<16>(x);
        KVANT_UNROLL
        for (int i = 0; i < kQuad; ++i) q[i] = static_cast<int32_t>(p.word[i]);
      } else {
        KVANT_UNROLL
        for (int i = 0; i < kQuad; ++i) q[i] = i < n ? LoadAs<int32_t>(x + i * step * plan.x_step) : 0;
      }
      const swiglu::Problem& p = plan.problem;
      const bool integers = p.bias.present && p.bias.dtype == DType::kInt32;
      if (integers) {
        const char* bias = p.bias.Row(at.parameter_row) + column * p.bias.step;
        KVANT_UNROLL
        for (int i = 0; i < kQuad; ++i) {
          if (i < n) q[i] = L::AddI(q[i], LoadAs<int32_t>(bias + i * step * p.bias.step));
        }
      }
      float weight[kQuad] = {1, 1, 1, 1};
      if (p.weight_scale.present) TableAt(p.weight_scale, at.parameter_row, column, step, n, vectors, weight);
      KVANT_UNROLL
      for (int i = 0; i < kQuad; ++i) v[i] = Dequantized<L>(q[i], weight[i], at.row_scale);
      if (p.bias.present && !integers) {
        float bias[kQuad];
        TableAt(p.bias, at.parameter_row, column, step, n, vectors, bias);
        KVANT_UNROLL
        for (int i = 0; i < kQuad; ++i) v[i] = L::Add(v[i], bias[i]);
      }
    }
  }

  template <SwigluMode kMode>
  KVANT_INLINE void Values(const float (&act)[kQuad], const float (&lin)[kQuad], Quad* quad) const {
    KVANT_UNROLL
    for (int i = 0; i < kQuad; ++i) {
      const float gate = GateOf<L, kMode>(act[i], plan.problem.attributes);
      quad->s[i] = L::Mul(gate, LinearOf<L, kMode>(lin[i], plan.problem.attributes));
    }
  }

  KVANT_INLINE int Live(int64_t q) const {
    const int64_t left = plan.problem.columns - q * kQuad;
    return left < kQuad ? static_cast<int>(left) : kQuad;
  }

  // s of quad q, with the quant_scale of dynamic rows.
  KVANT_INLINE Quad Make(const RowOf& at, int64_t q) const {
    const int64_t column = q * kQuad, step = plan.interleaved ? 2 : 1;
    const int n = Live(q);
    float act[kQuad], lin[kQuad];
    Elements(at, plan.act + column * step, step, n, act);
    Elements(at, plan.lin + column * step, step, n, lin);
    Quad quad;
    if (plan.mode == SwigluMode::kSwish) {
      Values<SwigluMode::kSwish>(act, lin, &quad);
    } else {
      Values<SwigluMode::kClamped>(act, lin, &quad);
    }
    if (plan.dynamic && plan.problem.quant_scale.present) {
      float smooth[kQuad];
      TableAt(plan.problem.quant_scale, at.parameter_row, column, 1, n, plan.vectors, smooth);
      KVANT_UNROLL
      for (int i = 0; i < kQuad; ++i) quad.s[i] = L::Mul(quad.s[i], smooth[i]);
    }
    return quad;
  }

  // The largest magnitude, as bits, of a thread's share of a row.
  KVANT_INLINE uint32_t MakeAll(const RowOf& at, int t, int width, Held* held) const {
    uint32_t largest = 0;
    const auto measure = [&](const Quad& quad, int n) {
      KVANT_UNROLL
      for (int i = 0; i < kQuad; ++i) {
        const uint32_t bits = static_cast<uint32_t>(L::Bits(quad.s[i])) & 0x7FFFFFFFu;
        if (i < n && bits > largest) largest = bits;
      }
    };
    if constexpr (kHeld != 0) {
      KVANT_UNROLL
      for (int k = 0; k < kHeld; ++k) {
        const int64_t q = t + static_cast<int64_t>(k) * width;
        if (q >= Quads()) continue;
        held->quad[k] = Make(at, q);
        measure(held->quad[k], Live(q));
      }
    } else {
      for (int64_t q = t; q < Quads(); q += width) measure(Make(at, q), Live(q));
    }
    return largest;
  }

  KVANT_INLINE void EncodeAll(const RowOf& at, int t, int width, const Held& held, const RowCode& code) const {
    if constexpr (kHeld != 0) {
      KVANT_UNROLL
      for (int k = 0; k < kHeld; ++k) {
        const int64_t q = t + static_cast<int64_t>(k) * width;
        if (q < Quads()) EncodeDynamic(at, q, held.quad[k], code);
      }
    } else {
      for (int64_t q = t; q < Quads(); q += width) {
        EncodeDynamic(at, q, code.how == kCodesZero ? Quad{} : Make(at, q), code);
      }
    }
  }

  KVANT_INLINE void EncodeDynamic(const RowOf& at, int64_t q, const Quad& quad, const RowCode& code) const {
    int32_t codes[kQuad];
    if (code.how == kCodesFast) {
      KVANT_UNROLL
      for (int i = 0; i < kQuad; ++i)
        codes[i] = EncodeFast<kFormat, false, true, L>(quad.s[i], 1.0f, code.scale, code.inverse, 0);
    } else {
      KVANT_UNROLL
      for (int i = 0; i < kQuad; ++i) codes[i] = ExactCode<kFormat>(quad.s[i], code, false);
    }
    StoreQuad(at, q, codes);
  }

  KVANT_INLINE void EncodeStatic(const RowOf& at, int64_t q, const Quad& quad) const {
    const swiglu::Problem& p = plan.problem;
    const int n = Live(q);
    float scale[kQuad] = {1, 1, 1, 1}, offset[kQuad] = {};
    if (p.quant_scale.present) TableAt(p.quant_scale, at.parameter_row, q * kQuad, 1, n, plan.vectors, scale);
    if (p.quant_offset.present) TableAt(p.quant_offset, at.parameter_row, q * kQuad, 1, n, plan.vectors, offset);
    int32_t codes[kQuad];
    KVANT_UNROLL
    for (int i = 0; i < kQuad; ++i) {
      float v = quad.s[i];
      if (p.quant_scale.present) v = L::Div(v, scale[i]);
      if (p.quant_offset.present) v = L::Add(v, offset[i]);
      codes[i] = CodecOf<L, kFormat>::Encode(v);
    }
    StoreQuad(at, q, codes);
  }

  KVANT_INLINE void StoreQuad(const RowOf& at, int64_t q, const int32_t (&codes)[kQuad]) const {
    if (plan.vectors) return Store(at.y + q * kQuad, PackCodes<kFormat>(codes));
    const int n = Live(q);
    KVANT_UNROLL
    for (int i = 0; i < kQuad; ++i) {
      if (i >= n) continue;
      const int32_t one[1] = {codes[i]};
      Store(at.y + (q * kQuad + i) * plan.y_step, PackCodes<kFormat>(one));
    }
  }

  KVANT_INLINE void Clear(const RowOf& at, int t, int width) const {
    const int32_t zeros[kQuad] = {};
    for (int64_t q = t; q < Quads(); q += width) StoreQuad(at, q, zeros);
    if (t == 0) PutNumber(at.scale, 0, DType::kFloat32, false);
  }
};

// Calls launch(kernel) with the one that a plan needs; `held` is 0 or kSwigluHeld.
template <class Launch>
Status DispatchSwiglu(const swiglu::CudaPlan& p, int held, const Launch& launch) {
  const auto of = [&](auto kind) {
    using In = decltype(kind);
    return VisitFormat(p.format == Format::kInt4 ? Format::kInt8 : p.format, [&](auto format) {
      constexpr Format kFormat = decltype(format)::value == Format::kInt4 ? Format::kInt8 : decltype(format)::value;
      return held == 0 ? launch(SwigluKernel<In, kFormat, 0>{p})
                       : launch(SwigluKernel<In, kFormat, swiglu::kSwigluHeld>{p});
    });
  };
  return p.x_dtype == DType::kInt32 ? of(int32_t{}) : VisitFloat(p.x_dtype, of);
}

}  // namespace kvant::cuda

#endif  // KVANT_OPS_DEQUANT_SWIGLU_QUANT_CUDA_CUH_
