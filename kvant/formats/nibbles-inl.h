// INT4 codes between one per byte and two per byte: element 2k is the low nibble of byte k, element 2k + 1 the high
// one.
#if defined(KVANT_FORMATS_NIBBLES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_FORMATS_NIBBLES_INL_H_
#undef KVANT_FORMATS_NIBBLES_INL_H_
#else
#define KVANT_FORMATS_NIBBLES_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "kvant/core/macros.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// A vector of pairs: as many bytes as d16 has lanes, twice as many codes.
template <class D16>
KVANT_INLINE void PackVector(D16 d16, const int8_t* from, uint8_t* to) {
  const hn::Rebind<uint8_t, D16> d8;
  const auto pairs = hn::LoadU(d16, reinterpret_cast<const uint16_t*>(from));
  const auto low = hn::And(pairs, hn::Set(d16, 0x0F));
  const auto high = hn::And(hn::ShiftRight<4>(pairs), hn::Set(d16, 0xF0));
  hn::StoreU(hn::DemoteTo(d8, hn::BitCast(hn::RebindToSigned<D16>(), hn::Or(low, high))), d8, to);
}

template <class D16>
KVANT_INLINE void UnpackVector(D16 d16, const uint8_t* from, int8_t* to) {
  const hn::Rebind<uint8_t, D16> d8;
  const hn::Repartition<int8_t, D16> di8;
  const auto bytes = hn::PromoteTo(d16, hn::LoadU(d8, from));
  const auto nibbles = hn::And(hn::Or(bytes, hn::ShiftLeft<4>(bytes)), hn::Set(d16, 0x0F0F));
  // Sign extension of 4 bits.
  const auto sign = hn::Set(di8, 8);
  hn::StoreU(hn::Sub(hn::Xor(hn::BitCast(di8, nibbles), sign), sign), di8, to);
}

// Calls f with the codes' positions of vectors of `lanes` pairs that cover [0, n), the last one overlapping the one
// before it. False if n is less than a vector.
template <class Function>
KVANT_INLINE bool CoverPairs(size_t n, size_t lanes, const Function& f) {
  const size_t block = 2 * lanes;
  if (n < block) return false;
  size_t i = 0;
  for (; i + block <= n; i += block) f(i);
  if (i < n) f(n - block);
  return true;
}

// n is even. Codes outside -8..7 keep their low four bits.
KVANT_INLINE void PackNibbles(const int8_t* from, size_t n, uint8_t* to) {
  const hn::ScalableTag<uint16_t> d;
  const hn::CappedTag<uint16_t, 8> d128;
  if (CoverPairs(n, hn::Lanes(d), [&](size_t i) HWY_ATTR { PackVector(d, from + i, to + i / 2); })) return;
  if (CoverPairs(n, hn::Lanes(d128), [&](size_t i) HWY_ATTR { PackVector(d128, from + i, to + i / 2); })) return;
  for (size_t i = 0; i < n; i += 2) to[i / 2] = static_cast<uint8_t>((from[i] & 15) | (from[i + 1] & 15) << 4);
}

KVANT_INLINE void UnpackNibbles(const uint8_t* from, size_t n, int8_t* to) {
  const hn::ScalableTag<uint16_t> d;
  const hn::CappedTag<uint16_t, 8> d128;
  if (CoverPairs(n, hn::Lanes(d), [&](size_t i) HWY_ATTR { UnpackVector(d, from + i / 2, to + i); })) return;
  if (CoverPairs(n, hn::Lanes(d128), [&](size_t i) HWY_ATTR { UnpackVector(d128, from + i / 2, to + i); })) return;
  for (size_t i = 0; i < n; ++i) to[i] = static_cast<int8_t>(((from[i / 2] >> (i % 2 * 4) & 15) ^ 8) - 8);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
