// The kernels of dequant_swiglu_quant on every SIMD target.
#include "kvant/numerics/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kvant/ops/dequant_swiglu_quant/cpu.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#if HWY_TARGET != HWY_SCALAR
#include "kvant/ops/dequant_swiglu_quant/swiglu-inl.h"
#endif

#if HWY_ONCE
#include "kvant/numerics/dispatch.h"
#include "kvant/ops/dequant_swiglu_quant/kernels.h"

namespace kvant::swiglu {

const SwigluKernels& GetSwigluKernels(Target target, DType x_dtype) {
  KVANT_RETURN_FOR_TARGET(target, KernelsOf(x_dtype), ReferenceSwigluKernels(x_dtype))
}

}  // namespace kvant::swiglu
#endif  // HWY_ONCE
