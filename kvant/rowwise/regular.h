// When a row may be encoded without a division, and without saturation. numerics/README.md has the proofs.
#ifndef KVANT_ROWWISE_REGULAR_H_
#define KVANT_ROWWISE_REGULAR_H_

#include <cmath>

#include "kvant/core/macros.h"
#include "kvant/numerics/fixed_offsets.h"
#include "kvant/rowwise/kernels.h"

namespace kvant {

// What is flushed, or below the smallest subnormal, may be missing in x' or in the residual of a quotient. That moves a
// quotient only where it is below 2^-26 (2^-52 for scales from 2^-50), too small to move a code.
struct PathRule {
  bool asymmetric;
  static constexpr float kTinyBelow = 0x1p-76f, kScaleUpTo = 0x1p125f, kOffsetUpTo = 0x1p18f;
  float fast_from;    // smallest scale for kFast
  float tiny_from;    // smallest scale for kFastTiny
  float offset_from;  // smallest |offset|
  float slack;        // with parameters that are not the row's own: how far beyond its ends its codes may be

  KVANT_HOST_DEVICE constexpr PathRule(Format format, bool asymmetric) : asymmetric(asymmetric) {
    // An asymmetric float format sees differences far below one unit of its offset, and the sign of a zero: -0 - 0 is
    // not what +0 - 0 is.
    const bool sensitive = asymmetric && !IsInteger(format);
    fast_from = sensitive ? 0x1p-50f : kTinyBelow;
    tiny_from = sensitive ? 0x1p-50f : 0x1p-100f;
    offset_from = sensitive ? 0x1p-44f : 0;
    slack = IsInteger(format) ? 0.375f : Info(format).d * 0x1p-10f;
  }

  // With scale and offset of the row itself, so that quotients are bounded by D, or R + |offset|.
  KVANT_HOST_DEVICE Path For(float scale, float offset) const {
    if (!(scale >= tiny_from && scale <= kScaleUpTo)) return Path::kExact;
    if (asymmetric) {
      const float magnitude = std::fabs(offset);
      if (!(magnitude >= offset_from && magnitude <= kOffsetUpTo)) return Path::kExact;
    }
    return scale >= fast_from ? Path::kFast : Path::kFastTiny;
  }
};

// Whether INT8 and INT4 codes with this offset need no quotients.
KVANT_HOST_DEVICE constexpr bool TakesFixed(Format format, float offset) {
  return IsInteger(format) && FixedOffsets(Info(format).bits).Take(offset);
}

}  // namespace kvant

#endif  // KVANT_ROWWISE_REGULAR_H_
