// When subnormals may be flushed to zero while SwiGLU values are made: README.md, "Subnormals", has the argument.
#ifndef KVANT_OPS_DEQUANT_SWIGLU_QUANT_FLUSH_H_
#define KVANT_OPS_DEQUANT_SWIGLU_QUANT_FLUSH_H_

#include "kvant/numerics/fp_env.h"
#include "kvant/ops/dequant_swiglu_quant/parameters.h"

namespace kvant::swiglu {

// Of bfloat16 and float32 elements some may be subnormal, and they are flushed as well. Of others only results are, and
// the processor tells.
inline bool FlushesOperands(DType x) { return x == DType::kBFloat16 || x == DType::kFloat32; }

// The state in which kernels run.
inline FpEnv::Mode StateOf(const Plan& plan) {
  if (!plan.flushes) return FpEnv::kDefault;
  return FlushesOperands(plan.x_dtype) ? FpEnv::kFlush : FpEnv::kFlushResults;
}

// What is known of values that were made in that state.
struct Made {
  Largest largest;
  float row_scale = 1;
  bool flushed = false;  // something may have been flushed

  void Merge(const Made& o) {
    if (o.largest.s > largest.s) largest.s = o.largest.s;
    if (o.largest.x > largest.x) largest.x = o.largest.x;
    flushed |= o.flushed;
  }
};

// What holds for all rows: to be called once, without flushing.
bool AttributesAllowFlush(const Plan& plan);

// Whether no code or scale depends on what was flushed; `scale` is the one of a dynamic row.
bool FlushIsHarmless(const Plan& plan, const Ranges& ranges, const Made& made, float scale);

}  // namespace kvant::swiglu

#endif  // KVANT_OPS_DEQUANT_SWIGLU_QUANT_FLUSH_H_
