// Packing and unpacking on every SIMD target.
#include "kvant/numerics/targets.h"
#include "kvant/ops/pack_int4/kernels.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kvant/ops/pack_int4/cpu.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#if HWY_TARGET != HWY_SCALAR
#include "kvant/formats/nibbles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

void Pack(const int8_t* codes, int64_t n, uint8_t* packed) { PackNibbles(codes, static_cast<size_t>(n), packed); }
void Unpack(const uint8_t* packed, int64_t n, int8_t* codes) { UnpackNibbles(packed, static_cast<size_t>(n), codes); }

const pack_int4::Kernels& PackInt4Kernels() {
  static constexpr pack_int4::Kernels kKernels{Pack, Unpack};
  return kKernels;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();
#endif  // HWY_TARGET != HWY_SCALAR

#if HWY_ONCE
#include "kvant/numerics/dispatch.h"

namespace kvant::pack_int4 {

const Kernels& GetKernels(Target target) { KVANT_RETURN_FOR_TARGET(target, PackInt4Kernels(), ReferenceKernels()) }

}  // namespace kvant::pack_int4
#endif  // HWY_ONCE
