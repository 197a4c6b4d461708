// SwiGLU values of contiguous elements, for the target being compiled.
#if defined(KVANT_OPS_DEQUANT_SWIGLU_QUANT_SWIGLU_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_OPS_DEQUANT_SWIGLU_QUANT_SWIGLU_INL_H_
#undef KVANT_OPS_DEQUANT_SWIGLU_QUANT_SWIGLU_INL_H_
#else
#define KVANT_OPS_DEQUANT_SWIGLU_QUANT_SWIGLU_INL_H_
#endif

#include <cstring>
#include <type_traits>

#include "kvant/core/prefetch.h"
#include "kvant/numerics/quad_lanes-inl.h"
#include "kvant/ops/dequant_swiglu_quant/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

#include "kvant/numerics/swish.inc"
#include "kvant/ops/dequant_swiglu_quant/formula.inc"

using swiglu::Bias;
using swiglu::kFetchAhead;
using swiglu::Largest;
using swiglu::Piece;

using V = VectorLanes;

// How many vectors run stage by stage through the formula: its chain is long, and a division waits in it.
#if HWY_HAVE_SCALABLE
using BlockLanes = VectorLanes;
inline constexpr size_t kVectors = 1;
#else
using BlockLanes = QuadLanes;
inline constexpr size_t kVectors = 4;
#endif

KVANT_INLINE V::F LoadElements(const float* p) { return V::Load(p); }
KVANT_INLINE V::F LoadElements(const Float16* p) { return V::Load(p); }
KVANT_INLINE V::F LoadElements(const BFloat16* p) { return V::Load(p); }
KVANT_INLINE V::I LoadElements(const int32_t* p) { return V::LoadI(p); }

// A vector of even or odd elements of two vectors.
template <bool kOdd, class In>
KVANT_INLINE auto LoadEverySecond(const In* p) {
  const auto low = LoadElements(p), high = LoadElements(p + V::N());
  const hn::ScalableTag<std::conditional_t<std::is_same_v<In, int32_t>, int32_t, float>> d;
  return kOdd ? hn::ConcatOdd(d, high, low) : hn::ConcatEven(d, high, low);
}

#if HWY_HAVE_SCALABLE
KVANT_INLINE void StoreBlock(V::F v, float* to) { hn::StoreU(v, V::DF(), to); }
KVANT_INLINE V::I MaxOfBlock(V::I v, V::I so_far) { return V::MaxI(v, so_far); }
#else
KVANT_INLINE void StoreBlock(QuadLanes::F v, float* to) {
  const size_t n = V::N();
  hn::StoreU(v.a, V::DF(), to);
  hn::StoreU(v.b, V::DF(), to + n);
  hn::StoreU(v.c, V::DF(), to + 2 * n);
  hn::StoreU(v.d, V::DF(), to + 3 * n);
}
KVANT_INLINE V::I MaxOfBlock(QuadLanes::I v, V::I so_far) {
  return V::MaxI(V::MaxI(V::MaxI(v.a, v.b), V::MaxI(v.c, v.d)), so_far);
}
#endif

// The elements of a block, those of x at `p`: every second one from there on, or all.
template <bool kEverySecond, bool kOdd, class In>
KVANT_INLINE auto LoadBlock(const In* p) {
  if constexpr (!kEverySecond) {
    if constexpr (std::is_same_v<In, int32_t>) {
      return BlockLanes::LoadI(p);
    } else {
      return BlockLanes::Load(p);
    }
  } else {
#if HWY_HAVE_SCALABLE
    return LoadEverySecond<kOdd>(p);
#else
    const size_t n = 2 * V::N();
    return Quad<decltype(LoadEverySecond<kOdd>(p))>{LoadEverySecond<kOdd>(p), LoadEverySecond<kOdd>(p + n),
                                                    LoadEverySecond<kOdd>(p + 2 * n), LoadEverySecond<kOdd>(p + 3 * n)};
#endif
  }
}

template <Bias kBias>
KVANT_INLINE BlockLanes::F Dequantize(BlockLanes::I x, const float* weight_scale, const void* bias, const Piece& p,
                                      size_t i) {
  using L = BlockLanes;
  if constexpr (kBias == Bias::kInt32) x = L::AddI(x, L::LoadI(static_cast<const int32_t*>(bias) + i));
  const size_t at = i & static_cast<size_t>(p.weight_mask);
  const L::F v = Dequantized<L>(x, L::Load(weight_scale + at), L::Set(p.row_scale));
  if constexpr (kBias == Bias::kFloat) return L::Add(v, L::Load(static_cast<const float*>(bias) + i));
  return v;
}

// Whether subnormals of x count: then the largest |x| tells whether flushing them did (see flush.h).
template <class In>
inline constexpr bool kMeasuresX = std::is_same_v<In, float> || std::is_same_v<In, BFloat16>;

template <class In, Bias kBias>
KVANT_INLINE BlockLanes::F ElementsOf(std::conditional_t<std::is_same_v<In, int32_t>, BlockLanes::I, BlockLanes::F> x,
                                      const float* weight_scale, const void* bias, const Piece& p, size_t i) {
  if constexpr (std::is_same_v<In, int32_t>) {
    return Dequantize<kBias>(x, weight_scale, bias, p, i);
  } else {
    return x;
  }
}

template <class In>
KVANT_INLINE void MeasureX(BlockLanes::F v, V::I& largest_x) {
  using L = BlockLanes;
  if constexpr (kMeasuresX<In>) largest_x = MaxOfBlock(L::And(L::Bits(v), L::SetI(INT32_MAX)), largest_x);
}

// Of elements [i, i + kVectors * N).
template <class In, Bias kBias, SwigluMode kMode>
KVANT_INLINE BlockLanes::F GateBlock(const Piece& p, size_t i, V::I& largest_x) {
  constexpr bool kInterleaved = kMode == SwigluMode::kClampedInterleaved;
  const In* at = static_cast<const In*>(p.act) + (kInterleaved ? 2 * i : i);
  const BlockLanes::F act = ElementsOf<In, kBias>(LoadBlock<kInterleaved, false>(at), p.act_scale, p.act_bias, p, i);
  MeasureX<In>(act, largest_x);
  return GateOf<BlockLanes, kMode>(act, p.attributes);
}

template <class In, Bias kBias, SwigluMode kMode>
KVANT_INLINE void FinishBlock(const Piece& p, size_t i, BlockLanes::F gate, V::I& largest_s, V::I& largest_x) {
  using L = BlockLanes;
  constexpr bool kInterleaved = kMode == SwigluMode::kClampedInterleaved;
  const In* at = kInterleaved ? static_cast<const In*>(p.act) + 2 * i : static_cast<const In*>(p.lin) + i;
  const L::F lin = ElementsOf<In, kBias>(LoadBlock<kInterleaved, true>(at), p.lin_scale, p.lin_bias, p, i);
  MeasureX<In>(lin, largest_x);
  const L::F s = L::Mul(L::Mul(gate, LinearOf<L, kMode>(lin, p.attributes)),
                        L::Load(p.smooth + (i & static_cast<size_t>(p.smooth_mask))));
  largest_s = MaxOfBlock(L::And(L::Bits(s), L::SetI(INT32_MAX)), largest_s);
  StoreBlock(s, p.s + i);
}

// Asks for what elements [i, i + n) are to ask for, into L2: a row of 32-bit elements fills L1 more than once
// (4096x14336: 73 to 86 % of a copy that asked into L1 itself).
KVANT_INLINE void FetchFor(const Piece& p, size_t i, size_t n) {
  if (p.next == nullptr) return;
  constexpr PrefetchFor kL2 = PrefetchFor::kReadFromL2;
  const size_t each = static_cast<size_t>(p.next_bytes), first = i * each, bytes = n * each;
  PrefetchLines<kL2>(p.next + first, bytes);
  if (p.next_lin != nullptr) PrefetchLines<kL2>(p.next_lin + first, bytes);
  if (p.second == nullptr) return;
  const size_t at = i * 4 + kFetchAhead, end = static_cast<size_t>(p.n) * 4;
  PrefetchLines<kL2>(at < end ? p.second + at : p.next_second + (at - end), n * 4);
}

// Pages of what FetchFor() will ask for.
KVANT_INLINE void FetchPages(const Piece& p) {
  if (p.next == nullptr) return;
  const size_t n = static_cast<size_t>(p.n), bytes = n * static_cast<size_t>(p.next_bytes);
  PrefetchPages(p.next, bytes);
  if (p.next_lin != nullptr) PrefetchPages(p.next_lin, bytes);
  if (p.second != nullptr) PrefetchPages(p.next_second, n * 4);
}

// At least one block. A block is finished after the division of the next one's gates has begun: 3 % for int32.
template <class In, Bias kBias, SwigluMode kMode>
KVANT_INLINE Largest WholeBlocks(const Piece& p) {
  const size_t n = static_cast<size_t>(p.n), block = kVectors * V::N();
  FetchPages(p);
  V::I largest_s = V::SetI(0), largest_x = V::SetI(0);
  BlockLanes::F gate = GateBlock<In, kBias, kMode>(p, 0, largest_x);
  size_t i = 0;
  for (; i + 2 * block <= n; i += block) {
    FetchFor(p, i, block);
    const BlockLanes::F next = GateBlock<In, kBias, kMode>(p, i + block, largest_x);
    FinishBlock<In, kBias, kMode>(p, i, gate, largest_s, largest_x);
    gate = next;
  }
  FetchFor(p, i, block);
  FinishBlock<In, kBias, kMode>(p, i, gate, largest_s, largest_x);
  i += block;
  if (i < n) {  // overlaps the block before it
    gate = GateBlock<In, kBias, kMode>(p, n - block, largest_x);
    FinishBlock<In, kBias, kMode>(p, n - block, gate, largest_s, largest_x);
  }
  const V::DI d;
  return {hn::GetLane(hn::MaxOfLanes(d, largest_s)), hn::GetLane(hn::MaxOfLanes(d, largest_x))};
}

// Fewer elements than a block go through copies with room for one, filled up with the last element.
template <class In, Bias kBias, SwigluMode kMode>
HWY_NOINLINE Largest ShortPiece(Piece p) {
  constexpr bool kInterleaved = kMode == SwigluMode::kClampedInterleaved;
  constexpr size_t kRoom = 4 * hn::MaxLanes(V::DF());
  const size_t n = static_cast<size_t>(p.n), block = kVectors * V::N();
  HWY_ALIGN In act[2 * kRoom], lin[kRoom];
  HWY_ALIGN float act_scale[kRoom], lin_scale[kRoom], smooth[kRoom], s[kRoom];
  HWY_ALIGN int32_t act_bias[kRoom], lin_bias[kRoom];
  const auto copy = [n, block](auto& to, auto& from, size_t unit) {
    std::memcpy(to, from, n * unit * sizeof(to[0]));
    for (size_t i = n * unit; i < block * unit; ++i) to[i] = to[i - unit];
    from = to;
  };
  copy(act, p.act, kInterleaved ? 2 : 1);
  if constexpr (!kInterleaved) copy(lin, p.lin, 1);
  if constexpr (std::is_same_v<In, int32_t>) {
    if (p.weight_mask != 0) {
      copy(act_scale, p.act_scale, 1);
      copy(lin_scale, p.lin_scale, 1);
    }
  }
  if constexpr (kBias != Bias::kNone) {
    copy(act_bias, p.act_bias, 1);
    copy(lin_bias, p.lin_bias, 1);
  }
  if (p.smooth_mask != 0) copy(smooth, p.smooth, 1);
  float* to = p.s;
  p.s = s;
  p.n = static_cast<int64_t>(block);
  p.next = nullptr;
  const Largest largest = WholeBlocks<In, kBias, kMode>(p);
  std::memcpy(to, s, n * sizeof(float));
  return largest;
}

template <class In, Bias kBias, SwigluMode kMode>
Largest Values(const Piece& p) {
  if (static_cast<size_t>(p.n) < kVectors * V::N()) return ShortPiece<In, kBias, kMode>(p);
  return WholeBlocks<In, kBias, kMode>(p);
}

inline swiglu::Magnitudes RangeOf(const float* v, int64_t count) {
  const size_t n = static_cast<size_t>(count), N = V::N();
  swiglu::Magnitudes range;
  // Of 0 the magnitude less 1, without sign, is the largest there is.
  const V::I flip = V::SetI(INT32_MIN), all = V::SetI(INT32_MAX);
  V::I least = all, least_or_zero = all, most = V::SetI(0);
  size_t i = 0;
  for (; i + N <= n; i += N) {
    const V::I magnitude = V::And(V::Bits(V::Load(v + i)), all);
    least = V::MinI(least, V::Xor(V::SubI(magnitude, V::SetI(1)), flip));
    least_or_zero = V::MinI(least_or_zero, magnitude);
    most = V::MaxI(most, magnitude);
  }
  const V::DI d;
  const auto less_one =
      static_cast<int32_t>(static_cast<uint32_t>(hn::GetLane(hn::MinOfLanes(d, least))) ^ 0x80000000u);
  range = {less_one >= 0 ? less_one + 1 : INT32_MAX, hn::GetLane(hn::MaxOfLanes(d, most)),
           hn::GetLane(hn::MinOfLanes(d, least_or_zero))};
  for (; i < n; ++i) {
    int32_t magnitude;
    std::memcpy(&magnitude, v + i, sizeof(magnitude));
    range.Add(magnitude & INT32_MAX);
  }
  return range;
}

template <class In, Bias kBias>
constexpr void Fill(swiglu::SwigluKernels& k) {
  swiglu::SwigluFunction(&modes)[swiglu::kNumModes] = k.swiglu[static_cast<int>(kBias)];
  modes[0] = Values<In, kBias, SwigluMode::kSwish>;
  modes[1] = Values<In, kBias, SwigluMode::kClampedInterleaved>;
  modes[2] = Values<In, kBias, SwigluMode::kClamped>;
}

template <class In>
constexpr swiglu::SwigluKernels Make() {
  swiglu::SwigluKernels k{};
  k.magnitudes = RangeOf;
  Fill<In, Bias::kNone>(k);
  if constexpr (std::is_same_v<In, int32_t>) {
    Fill<In, Bias::kInt32>(k);
    Fill<In, Bias::kFloat>(k);
  }
  return k;
}

inline const swiglu::SwigluKernels& KernelsOf(DType x_dtype) {
  static constexpr swiglu::SwigluKernels kInt32 = Make<int32_t>(), kFloat16 = Make<Float16>(),
                                         kBFloat16 = Make<BFloat16>(), kFloat32 = Make<float>();
  return x_dtype == DType::kInt32      ? kInt32
         : x_dtype == DType::kFloat16  ? kFloat16
         : x_dtype == DType::kBFloat16 ? kBFloat16
                                       : kFloat32;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
