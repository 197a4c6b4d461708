// dequant_swiglu_quant over a team: a row at a time, its values kept in registers where they can be.
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

// kHeld: quads that a thread keeps of a row, asked for all at once, of plans that are `lean`. 0: any plan; one quad at
// a time, and where the scale is not known before the codes, each is made twice. kPlain: of plans that are `plain`.
template <class In, Format kFormat, int kHeld, bool kPlain>
class SwigluKernel {
 public:
  explicit SwigluKernel(const swiglu::CudaPlan& plan) : plan_(plan) {}

  template <class Team>
  KVANT_HOST_DEVICE void operator()(Team& team) const {
    const int rows = static_cast<int>(plan_.problem.rows), step = static_cast<int>(team.count());
    const int in_warp = static_cast<int>(team.index() - team.first_of_warp());
    GroupFinder<Team> groups(team, plan_.groups, rows);
    if (team.first_of_warp() == 0) {
      const IndexFault fault = groups.FirstFault();
      team.Each([&](int t) {
        if (t == 0 && in_warp == 0) RecordFault(plan_.faults, plan_.op, fault);
      });
    }
    typename Team::template Own<Held> held(team);
    typename Team::template Own<uint32_t> largest(team);
    // The teams of a warp stay together, also where the last of them have no row.
    for (int lead = static_cast<int>(team.first_of_warp()); lead < rows; lead += step) {
      const int row = lead + in_warp;
      int64_t parameter_row = -1;
      for (int i = 0; i < team.per_warp(); ++i) {
        const int64_t found = groups.ParameterRowOf(lead + i);
        if (i == in_warp) parameter_row = found;
      }
      if (row >= rows) continue;
      int64_t offset[kGridTensors];
      Locate(plan_.grid, plan_.grid.rank, static_cast<uint32_t>(row), offset);
      const RowOf at{plan_.data[kRowX] + offset[kRowX], plan_.data[kRowY] + offset[kRowY],
                     plan_.data[kRowScale] + offset[kRowScale], parameter_row, RowScale(row)};
      if (parameter_row < 0) {
        team.Each([&](int t) { Clear(at, t, team.width()); });
      } else if (!kPlain && !plan_.dynamic) {
        team.Each([&](int t) {
          KVANT_NO_UNROLL
          for (int q = t; q < Quads(); q += team.width()) EncodeStatic(at, q, Make(at, q));
          if (t == 0) PutNumber(at.scale, 0, DType::kFloat32, false);
        });
      } else {
        team.Each([&](int t) { largest[t] = MakeAll(at, t, team.width(), &held[t]); });
        const RowCode code = team.Reduce(
            largest, [](uint32_t a, uint32_t b) { return a > b ? a : b; }, [&](uint32_t all) { return CodeFor(all); });
        team.Each([&](int t) {
          EncodeAll(at, t, team.width(), held[t], code);
          if (t == 0) PutNumber(at.scale, code.scale, DType::kFloat32, false);
        });
      }
    }
  }

 private:
  static constexpr bool kLean = kHeld != 0;
  static_assert(!kPlain || (kLean && std::is_same_v<In, int32_t>));
  struct Held {
    Quad quad[kLean ? kHeld : 1];
  };
  struct RowOf {
    const char* x;
    char* y;
    char* scale;
    int64_t parameter_row;
    float row_scale;
  };
  // x of the elements of a quad's gates and linear parts, as it is in memory.
  using Word = Packed<kQuad* static_cast<int>(sizeof(In))>;
  struct Source {
    Word act, lin;
    Packed<16> act_weight, lin_weight;  // kPlain
  };

  KVANT_INLINE int Quads() const { return static_cast<int>((plan_.problem.columns + kQuad - 1) / kQuad); }

  KVANT_INLINE float RowScale(int row) const {
    return plan_.activation == nullptr ? 1.0f : LoadAs<float>(plan_.activation + plan_.activation_rows.At(row));
  }

  KVANT_INLINE RowCode CodeFor(uint32_t largest) const {
    const MinMaxValues v = ValuesOf<L>({0, static_cast<int32_t>(largest)}, true);
    return CodeOf<kFormat>(ParamsOf<L>(0, v.max, false, plan_.d, 0, DType::kFloat32), v, false, plan_.d, 0,
                           DType::kFloat32);
  }

  // Four numbers of a parameter row from `column` on.
  KVANT_INLINE static void TableAt(const swiglu::Table& t, int64_t row, int64_t column, int64_t step, int n,
                                   float (&to)[kQuad]) {
    const char* at = t.Row(row);
    if constexpr (kLean) {
      if (t.step != 0) return NumbersOf(at + column * (t.dtype == DType::kFloat32 ? 4 : 2), t.dtype, to);
      const float one = NumberOf(at, t.dtype);
      KVANT_UNROLL
      for (int i = 0; i < kQuad; ++i) to[i] = one;
    } else {
      KVANT_UNROLL
      for (int i = 0; i < kQuad; ++i) to[i] = i < n ? NumberOf(at + (column + i * step) * t.step, t.dtype) : 0;
    }
  }

  KVANT_INLINE Word Read(const RowOf& at, int64_t column, int64_t step, int n) const {
    if constexpr (kLean) {
      return Load<static_cast<int>(sizeof(Word))>(at.x + column * static_cast<int64_t>(sizeof(In)));
    }
    const char* x = at.x + column * plan_.x_step;
    In elements[kQuad] = {};
    KVANT_UNROLL
    for (int i = 0; i < kQuad; ++i) {
      if (i < n) elements[i] = LoadAs<In>(x + i * step * plan_.x_step);
    }
    Word word;
    memcpy(word.word, elements, sizeof(elements));
    return word;
  }
  KVANT_INLINE Source ReadQuad(const RowOf& at, int q) const {
    const int64_t column = static_cast<int64_t>(q) * kQuad, step = Step();
    const int n = Live(q);
    Source s{Read(at, plan_.act + column * step, step, n), Read(at, plan_.lin + column * step, step, n), {}, {}};
    if constexpr (kPlain) {
      const char* weights = plan_.problem.weight_scale.Row(at.parameter_row);
      s.act_weight = Load<16>(weights + (plan_.act + column) * static_cast<int64_t>(sizeof(float)));
      s.lin_weight = Load<16>(weights + (plan_.lin + column) * static_cast<int64_t>(sizeof(float)));
    }
    return s;
  }
  // Columns of x from one gate to the next.
  KVANT_INLINE int64_t Step() const { return !kLean && plan_.interleaved ? 2 : 1; }

  // v of four columns of x: dequantized, with bias.
  KVANT_INLINE void Elements(const RowOf& at, const Word& x, const Packed<16>& weights, int64_t column, int64_t step,
                             int n, float (&v)[kQuad]) const {
    if constexpr (kPlain) {
      KVANT_UNROLL
      for (int i = 0; i < kQuad; ++i) {
        v[i] = Dequantized<L>(static_cast<int32_t>(x.word[i]), NumberAt<float>(weights, i), at.row_scale);
      }
    } else if constexpr (!std::is_same_v<In, int32_t>) {
      KVANT_UNROLL
      for (int i = 0; i < kQuad; ++i) v[i] = NumberAt<In>(x, i);
    } else {
      const swiglu::Problem& p = plan_.problem;
      const bool integers = p.bias.present && p.bias.dtype == DType::kInt32;
      int32_t q[kQuad];
      KVANT_UNROLL
      for (int i = 0; i < kQuad; ++i) q[i] = static_cast<int32_t>(x.word[i]);
      if (integers) {
        const char* bias = p.bias.Row(at.parameter_row) + column * p.bias.step;
        KVANT_UNROLL
        for (int i = 0; i < kQuad; ++i) {
          if (i < n) q[i] = L::AddI(q[i], LoadAs<int32_t>(bias + i * step * p.bias.step));
        }
      }
      float weight[kQuad] = {1, 1, 1, 1};
      if (p.weight_scale.present) TableAt(p.weight_scale, at.parameter_row, column, step, n, weight);
      KVANT_UNROLL
      for (int i = 0; i < kQuad; ++i) v[i] = Dequantized<L>(q[i], weight[i], at.row_scale);
      if (p.bias.present && !integers) {
        float bias[kQuad];
        TableAt(p.bias, at.parameter_row, column, step, n, bias);
        KVANT_UNROLL
        for (int i = 0; i < kQuad; ++i) v[i] = L::Add(v[i], bias[i]);
      }
    }
  }

  template <SwigluMode kMode>
  KVANT_INLINE void Values(const float (&act)[kQuad], const float (&lin)[kQuad], Quad* quad) const {
    KVANT_UNROLL
    for (int i = 0; i < kQuad; ++i) {
      const float gate = GateOf<L, kMode>(act[i], plan_.problem.attributes);
      quad->s[i] = L::Mul(gate, LinearOf<L, kMode>(lin[i], plan_.problem.attributes));
    }
  }

  KVANT_INLINE int Live(int q) const {
    if constexpr (kLean) return kQuad;
    const int64_t left = plan_.problem.columns - static_cast<int64_t>(q) * kQuad;
    return left < kQuad ? static_cast<int>(left) : kQuad;
  }

  // s of quad q, with the quant_scale of dynamic rows.
  KVANT_INLINE Quad Make(const RowOf& at, int q) const { return Make(at, q, ReadQuad(at, q)); }
  KVANT_INLINE Quad Make(const RowOf& at, int q, const Source& x) const {
    const int64_t column = static_cast<int64_t>(q) * kQuad, step = Step();
    const int n = Live(q);
    float act[kQuad], lin[kQuad];
    Elements(at, x.act, x.act_weight, plan_.act + column * step, step, n, act);
    Elements(at, x.lin, x.lin_weight, plan_.lin + column * step, step, n, lin);
    Quad quad;
    if (kPlain || plan_.mode == SwigluMode::kSwish) {
      Values<SwigluMode::kSwish>(act, lin, &quad);
    } else {
      Values<SwigluMode::kClamped>(act, lin, &quad);
    }
    if (!kPlain && plan_.dynamic && plan_.problem.quant_scale.present) {
      float smooth[kQuad];
      TableAt(plan_.problem.quant_scale, at.parameter_row, column, 1, n, smooth);
      KVANT_UNROLL
      for (int i = 0; i < kQuad; ++i) quad.s[i] = L::Mul(quad.s[i], smooth[i]);
    }
    return quad;
  }

  // Quad k of thread t. Beyond the end the last one is made again.
  KVANT_INLINE int QuadOf(int t, int k, int width) const {
    const int q = t + k * width;
    return q < Quads() ? q : Quads() - 1;
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
    if constexpr (kLean) {
      Source x[kHeld];
      KVANT_UNROLL
      for (int k = 0; k < kHeld; ++k) x[k] = ReadQuad(at, QuadOf(t, k, width));
      KVANT_UNROLL
      for (int k = 0; k < kHeld; ++k) {
        held->quad[k] = Make(at, QuadOf(t, k, width), x[k]);
        measure(held->quad[k], kQuad);
      }
    } else {
      KVANT_NO_UNROLL
      for (int q = t; q < Quads(); q += width) measure(Make(at, q), Live(q));
    }
    return largest;
  }

  KVANT_INLINE void EncodeAll(const RowOf& at, int t, int width, const Held& held, const RowCode& code) const {
    if constexpr (kLean) {
      KVANT_UNROLL
      for (int k = 0; k < kHeld; ++k) {
        if (t + k * width < Quads()) EncodeDynamic(at, t + k * width, held.quad[k], code);
      }
    } else {
      KVANT_NO_UNROLL
      for (int q = t; q < Quads(); q += width) {
        EncodeDynamic(at, q, code.how == kCodesZero ? Quad{} : Make(at, q), code);
      }
    }
  }

  KVANT_INLINE void EncodeDynamic(const RowOf& at, int q, const Quad& quad, const RowCode& code) const {
    if (code.how == kCodesFast) return StoreQuad(at, q, FastCodes<kFormat, false>(quad.s, code, true));
    int32_t codes[kQuad];
    KVANT_UNROLL
    for (int i = 0; i < kQuad; ++i) codes[i] = ExactCode<kFormat>(quad.s[i], code, false);
    StoreQuad(at, q, PackCodes<kFormat>(codes));
  }

  KVANT_INLINE void EncodeStatic(const RowOf& at, int q, const Quad& quad) const {
    const swiglu::Problem& p = plan_.problem;
    const int n = Live(q);
    float scale[kQuad] = {1, 1, 1, 1}, offset[kQuad] = {};
    if (p.quant_scale.present) TableAt(p.quant_scale, at.parameter_row, static_cast<int64_t>(q) * kQuad, 1, n, scale);
    if (p.quant_offset.present)
      TableAt(p.quant_offset, at.parameter_row, static_cast<int64_t>(q) * kQuad, 1, n, offset);
    int32_t codes[kQuad];
    KVANT_UNROLL
    for (int i = 0; i < kQuad; ++i) {
      float v = quad.s[i];
      if (p.quant_scale.present) v = L::Div(v, scale[i]);
      if (p.quant_offset.present) v = L::Add(v, offset[i]);
      codes[i] = CodecOf<L, kFormat>::Encode(v);
    }
    StoreQuad(at, q, PackCodes<kFormat>(codes));
  }

  KVANT_INLINE void StoreQuad(const RowOf& at, int q, const Packed<kQuad>& codes) const {
    if constexpr (kLean) return Store(at.y + static_cast<int64_t>(q) * kQuad, codes);
    char* const y = at.y + static_cast<int64_t>(q) * kQuad * plan_.y_step;
    const int n = Live(q);
    KVANT_UNROLL
    for (int i = 0; i < kQuad; ++i) {
      if (i < n) Store(y + i * plan_.y_step, Packed<1>{{codes.word[0] >> 8 * i}});
    }
  }

  KVANT_INLINE void Clear(const RowOf& at, int t, int width) const {
    for (int q = t; q < Quads(); q += width) StoreQuad(at, q, {});
    if (t == 0) PutNumber(at.scale, 0, DType::kFloat32, false);
  }

  const swiglu::CudaPlan plan_;
};

// Calls launch(kernel) with the one that a plan needs; `held` is 0 or kSwigluHeld.
template <class Launch>
Status DispatchSwiglu(const swiglu::CudaPlan& p, int held, const Launch& launch) {
  const auto of = [&](auto kind) {
    using In = decltype(kind);
    return VisitFormat(p.format == Format::kInt4 ? Format::kInt8 : p.format, [&](auto format) {
      constexpr Format kFormat = decltype(format)::value == Format::kInt4 ? Format::kInt8 : decltype(format)::value;
      if (held == 0) return launch(SwigluKernel<In, kFormat, 0, false>(p));
      if constexpr (std::is_same_v<In, int32_t>) {
        if (p.plain) return launch(SwigluKernel<In, kFormat, swiglu::kSwigluHeld, true>(p));
      }
      return launch(SwigluKernel<In, kFormat, swiglu::kSwigluHeld, false>(p));
    });
  };
  return p.x_dtype == DType::kInt32 ? of(int32_t{}) : VisitFloat(p.x_dtype, of);
}

}  // namespace kvant::cuda

#endif  // KVANT_OPS_DEQUANT_SWIGLU_QUANT_CUDA_CUH_
