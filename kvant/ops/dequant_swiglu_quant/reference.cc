// The kernels one element at a time: what every other backend must equal, and what runs where none is built.
#include <algorithm>
#include <bit>
#include <type_traits>

#include "kvant/core/half.h"
#include "kvant/core/macros.h"
#include "kvant/numerics/lanes_scalar.h"
#include "kvant/ops/dequant_swiglu_quant/kernels.h"

namespace kvant::swiglu {
namespace {

#include "kvant/numerics/swish.inc"
#include "kvant/ops/dequant_swiglu_quant/formula.inc"

using L = ScalarLanes;

int32_t Magnitude(float v) { return L::Bits(v) & INT32_MAX; }

template <class In, Bias kBias>
float Element(In x, const float* weight_scale, const void* bias, const Piece& p, int64_t i) {
  if constexpr (!std::is_same_v<In, int32_t>) {
    return ToFloat32(x);
  } else {
    if constexpr (kBias == Bias::kInt32) x = L::AddI(x, static_cast<const int32_t*>(bias)[i]);
    const float v = Dequantized<L>(x, weight_scale[i & p.weight_mask], p.row_scale);
    return kBias == Bias::kFloat ? v + static_cast<const float*>(bias)[i] : v;
  }
}

template <class In, Bias kBias, SwigluMode kMode>
Largest Values(const Piece& p) {
  constexpr bool kInterleaved = kMode == SwigluMode::kClampedInterleaved;
  const In* act_x = static_cast<const In*>(p.act);
  const In* lin_x = kInterleaved ? act_x + 1 : static_cast<const In*>(p.lin);
  constexpr int64_t kStep = kInterleaved ? 2 : 1;
  Largest largest;
  for (int64_t i = 0; i < p.n; ++i) {
    const float act = Element<In, kBias>(act_x[i * kStep], p.act_scale, p.act_bias, p, i);
    const float lin = Element<In, kBias>(lin_x[i * kStep], p.lin_scale, p.lin_bias, p, i);
    p.s[i] = GateOf<L, kMode>(act, p.attributes) * LinearOf<L, kMode>(lin, p.attributes) * p.smooth[i & p.smooth_mask];
    largest.s = std::max(largest.s, Magnitude(p.s[i]));
    largest.x = std::max({largest.x, Magnitude(act), Magnitude(lin)});
  }
  return largest;
}

Magnitudes RangeOf(const float* v, int64_t n) {
  Magnitudes m;
  for (int64_t i = 0; i < n; ++i) m.Add(Magnitude(v[i]));
  return m;
}

template <class In, Bias kBias>
constexpr void Fill(SwigluKernels& k) {
  SwigluFunction(&modes)[kNumModes] = k.swiglu[static_cast<int>(kBias)];
  modes[0] = Values<In, kBias, SwigluMode::kSwish>;
  modes[1] = Values<In, kBias, SwigluMode::kClampedInterleaved>;
  modes[2] = Values<In, kBias, SwigluMode::kClamped>;
}

template <class In>
constexpr SwigluKernels Make() {
  SwigluKernels k{};
  k.magnitudes = RangeOf;
  Fill<In, Bias::kNone>(k);
  if constexpr (std::is_same_v<In, int32_t>) {
    Fill<In, Bias::kInt32>(k);
    Fill<In, Bias::kFloat>(k);
  }
  return k;
}

}  // namespace

const SwigluKernels& ReferenceSwigluKernels(DType x_dtype) {
  static constexpr SwigluKernels kInt32 = Make<int32_t>(), kFloat16 = Make<Float16>(), kBFloat16 = Make<BFloat16>(),
                                 kFloat32 = Make<float>();
  return x_dtype == DType::kInt32      ? kInt32
         : x_dtype == DType::kFloat16  ? kFloat16
         : x_dtype == DType::kBFloat16 ? kBFloat16
                                       : kFloat32;
}

}  // namespace kvant::swiglu
