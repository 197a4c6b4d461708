#include "kvant/ops/dequant_swiglu_quant/flush.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace kvant::swiglu {
namespace {

double Value(int32_t bits) { return static_cast<double>(std::bit_cast<float>(bits)); }

// Whether all of them are zeros or at least `least`.
bool AtLeastOrZero(const Magnitudes& m, double least) { return m.least == INT32_MAX || Value(m.least) >= least; }

bool IsFp8(Format f) { return f == Format::kFloat8E4M3FN || f == Format::kFloat8E5M2; }

}  // namespace

// The clamped modes' attributes keep their part of the formula away from subnormals.
bool AttributesAllowFlush(const Plan& plan) {
  if (plan.mode == SwigluMode::kSwish) return true;
  const Attributes& a = plan.problem.attributes;
  const double bias = std::fabs(a.bias), alpha = std::fabs(a.alpha);
  if (a.limit < 0x1p-100f || (alpha != 0 && alpha < 0x1p-126) || (bias != 0 && bias < 0x1p-100)) return false;
  // A subnormal lin plus +0 keeps its sign, a flushed one does not.
  return !(bias == 0 && !std::signbit(a.bias) && FlushesOperands(plan.x_dtype) && IsFp8(plan.encode.format));
}

namespace {

// A number that no |act| or |lin| of the row exceeds; NaN if there is none.
double LargestX(const Plan& plan, const Ranges& r, const Made& made) {
  if (plan.x_dtype == DType::kFloat16) return 65504;
  if (plan.x_dtype != DType::kInt32) return Value(made.largest.x);
  return 0x1p31 * Value(r.weight.most) * std::fabs(static_cast<double>(made.row_scale)) + Value(r.bias.most);
}

}  // namespace

bool FlushIsHarmless(const Plan& plan, const Ranges& r, const Made& made, float scale) {
  if (!plan.attributes_allow_flush) return false;
  if (plan.x_dtype == DType::kInt32) {
    // No product with a weight is subnormal, and no dequantized element, with or without its bias.
    if (!AtLeastOrZero(r.weight, 0x1p-126)) return false;
    const double row_scale = std::fabs(static_cast<double>(made.row_scale));
    if (row_scale != 0 && r.weight.least != INT32_MAX && !(Value(r.weight.least) * row_scale >= 0x1p-125)) return false;
    if (!AtLeastOrZero(r.bias, 0x1p-100)) return false;
  }
  // At most 2^-124 * largest has been lost of any value before quant_scale.
  double largest = LargestX(plan, r, made);
  if (plan.mode != SwigluMode::kSwish) {
    const Attributes& a = plan.problem.attributes;
    largest = std::max(largest, static_cast<double>(a.limit) + std::fabs(static_cast<double>(a.bias)));
  }
  if (!(largest < 0x1p128)) return false;
  largest = std::max(largest, 1.0);
  if (plan.dynamic) {
    if (FlushesOperands(plan.x_dtype) && !AtLeastOrZero(r.smooth, 0x1p-126)) return false;
    const double most = Value(r.smooth.most);
    return most < 0x1p128 && static_cast<double>(scale) >= 0x1p-98 * largest * std::max(most, 1.0);
  }
  const double least_scale = plan.problem.quant_scale.present ? Value(r.scale.least_or_zero) : 1;
  if (!(least_scale >= 0x1p-74 * largest)) return false;
  return !(IsFp8(plan.encode.format) && plan.problem.quant_offset.present &&
           !(Value(r.offset.least_or_zero) >= 0x1p-44));
}

}  // namespace kvant::swiglu
