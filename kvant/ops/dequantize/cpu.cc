// Decoding on every SIMD target.
#include "kvant/numerics/targets.h"
#include "kvant/ops/dequantize/kernels.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kvant/ops/dequantize/cpu.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#if HWY_TARGET != HWY_SCALAR
#include "kvant/ops/dequantize/decode-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

template <Format kFormat>
constexpr void FillFormat(dequantize::Kernels& k) {
  constexpr int f = static_cast<int>(kFormat);
  k.rows[f][0] = DecodeRows<kFormat, Float16>;
  k.rows[f][1] = DecodeRows<kFormat, BFloat16>;
  k.rows[f][2] = DecodeRows<kFormat, float>;
  k.columns[f][0] = DecodeColumns<kFormat, Float16>;
  k.columns[f][1] = DecodeColumns<kFormat, BFloat16>;
  k.columns[f][2] = DecodeColumns<kFormat, float>;
}

constexpr dequantize::Kernels MakeKernels() {
  dequantize::Kernels k{};
#define KVANT_ROW(id, name, bits, d, npu, graph) FillFormat<Format::id>(k);
  KVANT_FORMAT_LIST(KVANT_ROW)
#undef KVANT_ROW
  return k;
}

const dequantize::Kernels& DequantizeKernels() {
  static constexpr dequantize::Kernels kKernels = MakeKernels();
  return kKernels;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();
#endif  // HWY_TARGET != HWY_SCALAR

#if HWY_ONCE
#include "kvant/numerics/dispatch.h"

namespace kvant::dequantize {

const Kernels& GetKernels(Target target) { KVANT_RETURN_FOR_TARGET(target, DequantizeKernels(), ReferenceKernels()) }

}  // namespace kvant::dequantize
#endif  // HWY_ONCE
