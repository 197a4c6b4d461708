// When elements may be divided by multiplication, and with subnormals flushed to zero.
#ifndef KVANT_OPS_QUANTIZE_REGULAR_H_
#define KVANT_OPS_QUANTIZE_REGULAR_H_

#include <bit>
#include <cstdint>

#include "kvant/core/dtype.h"
#include "kvant/formats/format.h"

namespace kvant::quantize {

// Scales and (finite) zero points for which ColumnOp::kDivideFast and kMultiply give the codes of the formula with
// subnormals flushed, as far as x is finite (kDivideFast) and quotients stay below 2^100. The argument is that of
// numerics/README.md:
//
// - Scales from 2^-76 to 2^100. Flushing an x below 2^-126, a product or a residual moves a quotient (product) only
//   where it is at most 2^-26 in magnitude. Around that, integer codes are those of the zero point alone, and without a
//   zero point an FP8 or HIFLOAT8 code is a zero with the sign of x, which the encoder takes from x.
// - FP8 and HIFLOAT8 with a zero point: scales from 2^-50 to 2^74, where that is so up to 2^-50 only. From 2^-24 on a
//   zero point swallows such a quotient; below, the sum is too small for a code other than zero. An FP8 zero also has
//   the sign of the sum, so its zero points start at 2^-44, far above the quotient.
// - fp16 elements are at least 2^-24, so nothing is subnormal and everything is exact.
class Regular {
 public:
  Regular(Format format, bool has_zero, DType x) {
    if (IsInteger(format) || !has_zero || x == DType::kFloat16) return;
    scale_from_ = Bits(0x1p-50f);
    scale_to_ = Bits(0x1p74f);
    if (format != Format::kHiFloat8) zero_from_ = Bits(0x1p-44f);
  }

  // Of positive floats the patterns have the order of the numbers; a sign or NaN is beyond the upper end.
  bool Scale(float scale) const { return Bits(scale) - scale_from_ <= scale_to_ - scale_from_; }
  bool Zero(float zero) const { return (Bits(zero) & 0x7FFFFFFF) - zero_from_ <= Bits(0x1p127f) - zero_from_; }

 private:
  static uint32_t Bits(float v) { return std::bit_cast<uint32_t>(v); }

  uint32_t scale_from_ = Bits(0x1p-76f), scale_to_ = Bits(0x1p100f), zero_from_ = 0;
};

}  // namespace kvant::quantize

#endif  // KVANT_OPS_QUANTIZE_REGULAR_H_
