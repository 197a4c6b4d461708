// Which offsets INT8 and INT4 codes without quotients (quotient.inc) take; numerics/README.md has the proof.
#ifndef KVANT_NUMERICS_FIXED_OFFSETS_H_
#define KVANT_NUMERICS_FIXED_OFFSETS_H_

namespace kvant {

struct FixedOffsets {
  float from, to;

  explicit constexpr FixedOffsets(int bits) : from(bits == 8 ? -128.25f : -55), to(bits == 8 ? 127.25f : 55) {}

  // Not a NaN.
  constexpr bool Take(float offset) const { return (offset >= from) & (offset <= to); }
};

}  // namespace kvant

#endif  // KVANT_NUMERICS_FIXED_OFFSETS_H_
