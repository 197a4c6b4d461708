// How far a quantized value may be from the original: what the formats promise, computed without the encoder.
#ifndef CLI_ERROR_BOUND_H_
#define CLI_ERROR_BOUND_H_

#include <vector>

#include "kvant/ops/dynamic_quant/dynamic_quant.h"

namespace kvant::cli {

class ErrorBound {
 public:
  // For results of dynamic_quant with these arguments.
  static Status Make(const DynamicQuantArgs& args, ErrorBound* bound);

  // Largest |x - restored| / scale for a value of x / scale, in a finite row whose range does not overflow. Integers:
  // 0.5 + 2^-22 (|offset| + R). Floats: half the gap between the two codes that x / scale lies between, and the
  // roundings of fp32.
  double InScales(double x_over_scale, double offset) const;

 private:
  bool integer_ = true;
  double range_ = 0;
  std::vector<double> codes_;  // floats: all finite values, ascending
};

// Element i of a contiguous float16, bfloat16 or float32 tensor.
double ElementOf(const ConstTensorView& x, int64_t i);

}  // namespace kvant::cli

#endif  // CLI_ERROR_BOUND_H_
