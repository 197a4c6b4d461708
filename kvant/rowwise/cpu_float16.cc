// Row kernels for float16 input on every SIMD target.
#include "kvant/numerics/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kvant/rowwise/cpu_float16.cc"
#include "hwy/foreach_target.h"
#include "kvant/rowwise/cpu-inl.h"

#if HWY_ONCE
#include "kvant/numerics/dispatch.h"

namespace kvant {

const RowKernels& Float16RowKernels(Target target) {
  KVANT_RETURN_FOR_TARGET(target, RowKernelsOf<Float16>(target), ReferenceRowKernels(DType::kFloat16))
}

}  // namespace kvant
#endif  // HWY_ONCE
