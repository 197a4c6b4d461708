// INT8 and INT4 codes that are bit fields of floats (numerics/quotient.inc) to memory. A code is taken from the third
// byte of its float as it is: nothing is subtracted, shifted down or saturated. Not for SVE.
#if defined(KVANT_FORMATS_STORE_FIXED_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_FORMATS_STORE_FIXED_INL_H_
#undef KVANT_FORMATS_STORE_FIXED_INL_H_
#else
#define KVANT_FORMATS_STORE_FIXED_INL_H_
#endif

#include "kvant/formats/store-inl.h"
#include "kvant/numerics/quad_lanes-inl.h"

#if !HWY_HAVE_SCALABLE

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

using D8 = hn::Repartition<uint8_t, VectorLanes::DI>;
using D16 = hn::Repartition<uint16_t, VectorLanes::DI>;
using Bytes = hn::Vec<D8>;

KVANT_INLINE void StoreBytes(Bytes bytes, uint8_t* to, bool stream) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
  StoreVector(bytes.raw, to, stream);
#else
  (void)stream;
  hn::StoreU(bytes, D8(), to);
#endif
}

// The smallest words of four vectors.
KVANT_INLINE hn::Vec<D16> LeastWords(const QuadLanes::I& q) {
  const D16 d;
  return hn::Min(hn::Min(hn::BitCast(d, q.a), hn::BitCast(d, q.b)), hn::Min(hn::BitCast(d, q.c), hn::BitCast(d, q.d)));
}

// Where the third bytes of four vectors go in a block of 16 bytes, and among 64 bytes.
template <ElementOrder kOrder>
struct ThirdBytes {
  static constexpr bool kPairs = kOrder == ElementOrder::kPairs;
  alignas(64) uint8_t of_two[64] = {};  // of two vectors of 64 bytes, twice
  alignas(16) uint8_t in_block[4][16];  // 0x80: not of this one

  constexpr ThirdBytes() {
    for (int i = 0; i < 64; ++i) {
      const int element = i % 32, v = kPairs ? element % 2 : element / 16, j = kPairs ? element / 2 : element % 16;
      of_two[i] = static_cast<uint8_t>(64 * v + 4 * j + 2);
    }
    for (int v = 0; v < 4; ++v) {
      for (uint8_t& index : in_block[v]) index = 0x80;
      for (int j = 0; j < 4; ++j) {
        in_block[v][kPairs ? v / 2 * 8 + 2 * j + v % 2 : 4 * v + j] = static_cast<uint8_t>(4 * j + 2);
      }
    }
  }
};
template <ElementOrder kOrder>
inline constexpr ThirdBytes<kOrder> kThirdBytes;

struct EvenBytes {
  alignas(64) uint8_t of_two[64] = {};

  constexpr EvenBytes() {
    for (int i = 0; i < 64; ++i) of_two[i] = static_cast<uint8_t>(2 * i);
  }
};
inline constexpr EvenBytes kEvenBytes;

// What blocks have in common.
template <ElementOrder kOrder>
struct FixedConstants {
  hn::Vec<D16> near_tie;  // words below this: a quotient must decide
  Bytes flip;             // turns third bytes into codes
  Quad<Bytes> in_block;
#if HWY_TARGET == HWY_AVX3
  Bytes of_two = InRegister(hn::Load(D8(), kThirdBytes<kOrder>.of_two));
#endif

  KVANT_INLINE FixedConstants(uint16_t near_tie_bound, uint8_t flip_byte)
      : near_tie(InRegister(hn::Set(D16(), near_tie_bound))),
        flip(InRegister(hn::Set(D8(), flip_byte))),
        in_block{InBlock(0), InBlock(1), InBlock(2), InBlock(3)} {}

  KVANT_INLINE bool AnyNearTie(hn::Vec<D16> words) const { return !hn::AllFalse(D16(), hn::Lt(words, near_tie)); }

 private:
  static KVANT_INLINE Bytes InBlock(int v) { return InRegister(hn::LoadDup128(D8(), kThirdBytes<kOrder>.in_block[v])); }
};

// In each block of 16 bytes: the bytes of its elements.
template <ElementOrder kOrder>
KVANT_INLINE Bytes ThirdBytesInBlocks(const QuadLanes::I& q, const FixedConstants<kOrder>& constants) {
  const D8 d;
  const Bytes a = hn::TableLookupBytesOr0(hn::BitCast(d, q.a), constants.in_block.a);
  const Bytes b = hn::TableLookupBytesOr0(hn::BitCast(d, q.b), constants.in_block.b);
  const Bytes c = hn::TableLookupBytesOr0(hn::BitCast(d, q.c), constants.in_block.c);
  const Bytes e = hn::TableLookupBytesOr0(hn::BitCast(d, q.d), constants.in_block.d);
#if HWY_TARGET == HWY_AVX3
  const __m512i abc = _mm512_ternarylogic_epi32(a.raw, b.raw, c.raw, 0xFE);       // a | b | c
  return Bytes{_mm512_ternarylogic_epi32(abc, e.raw, constants.flip.raw, 0x56)};  // (abc | e) ^ flip
#else
  return hn::Xor(hn::Or(hn::Or(a, b), hn::Or(c, e)), constants.flip);
#endif
}

// Blocks of 16 bytes hold 4 N elements in pieces of 4 (kVectors) or 8 (kPairs), one of each vector or pair.
template <ElementOrder kOrder>
KVANT_INLINE Bytes InOrder(Bytes blocks) {
#if HWY_TARGET == HWY_AVX3
  if constexpr (kOrder == ElementOrder::kPairs) {
    return Bytes{_mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), blocks.raw)};
  }
  return Bytes{OrderDwords(blocks.raw)};
#elif HWY_TARGET == HWY_AVX2
  if constexpr (kOrder == ElementOrder::kPairs) return Bytes{_mm256_permute4x64_epi64(blocks.raw, 0xD8)};
  return Bytes{OrderDwords(blocks.raw)};
#else
  static_assert(hn::MaxLanes(D8()) == 16);
  return blocks;
#endif
}

#if HWY_TARGET == HWY_AVX3
// The bytes of a and b that `index` numbers. Only where the CPU has AVX512_VBMI, which this target does not ask for:
// hence not an intrinsic.
KVANT_INLINE __m512i PermuteBytes(__m512i a, __m512i index, __m512i b) {
  __asm__("vpermt2b %2, %1, %0" : "+v"(a) : "v"(index), "v"(b));
  return a;
}

template <ElementOrder kOrder>
KVANT_INLINE Bytes PermutedThirdBytes(const QuadLanes::I& q, const FixedConstants<kOrder>& constants) {
  const __m512i index = constants.of_two.raw;
  const __m512i ab = PermuteBytes(q.a.raw, index, q.b.raw);
  const __m512i cd = PermuteBytes(q.c.raw, index, q.d.raw);
  return Bytes{_mm512_xor_si512(_mm512_inserti64x4(ab, _mm512_castsi512_si256(cd), 1), constants.flip.raw)};
}
#endif

// 4 vectors of INT8 codes to 4 N bytes. `permutes`: the CPU has PermuteBytes.
template <ElementOrder kOrder>
KVANT_INLINE void StoreFixed(const QuadLanes::I& q, const FixedConstants<kOrder>& constants, uint8_t* to, bool stream,
                             bool permutes) {
#if HWY_TARGET == HWY_AVX3
  if (HWY_LIKELY(permutes)) return StoreBytes(PermutedThirdBytes(q, constants), to, stream);
#endif
  (void)permutes;
  StoreBytes(InOrder<kOrder>(ThirdBytesInBlocks(q, constants)), to, stream);
}

// The low nibbles of pairs of bytes as one byte, in a word.
KVANT_INLINE hn::Vec<D16> NibblePairs(Bytes bytes) {
  const D16 d;
  const auto nibbles = hn::BitCast(d, hn::And(bytes, hn::Set(D8(), 0x0F)));
#if HWY_TARGET == HWY_AVX3
  return hn::Vec<D16>{_mm512_maddubs_epi16(nibbles.raw, _mm512_set1_epi16(0x1001))};
#elif HWY_TARGET == HWY_AVX2
  return hn::Vec<D16>{_mm256_maddubs_epi16(nibbles.raw, _mm256_set1_epi16(0x1001))};
#else
  return hn::And(hn::Or(nibbles, hn::ShiftRight<4>(nibbles)), hn::Set(d, 0xFF));
#endif
}

// 8 vectors of INT4 codes to 4 N bytes, the even element in the low nibble.
template <ElementOrder kOrder>
KVANT_INLINE void StoreFixedNibbles(const QuadLanes::I& q, const QuadLanes::I& r,
                                    const FixedConstants<kOrder>& constants, uint8_t* to, bool stream, bool permutes) {
#if HWY_TARGET == HWY_AVX3
  if (HWY_LIKELY(permutes)) {
    const auto low = NibblePairs(PermutedThirdBytes(q, constants));
    const auto high = NibblePairs(PermutedThirdBytes(r, constants));
    const __m512i even = _mm512_load_si512(kEvenBytes.of_two);
    return StoreBytes(Bytes{PermuteBytes(low.raw, even, high.raw)}, to, stream);
  }
#endif
  (void)permutes;
  const auto low = NibblePairs(ThirdBytesInBlocks(q, constants));
  const auto high = NibblePairs(ThirdBytesInBlocks(r, constants));
#if HWY_TARGET == HWY_AVX3
  const auto bytes = _mm512_packus_epi16(low.raw, high.raw);
#elif HWY_TARGET == HWY_AVX2
  const auto bytes = _mm256_packus_epi16(low.raw, high.raw);
#endif
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
  StoreBytes(Bytes{kOrder == ElementOrder::kPairs ? OrderDwords(bytes) : OrderWords(bytes)}, to, stream);
#else
  StoreBytes(hn::ConcatEven(D8(), hn::BitCast(D8(), high), hn::BitCast(D8(), low)), to, stream);
#endif
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // !HWY_HAVE_SCALABLE

#endif  // per-target include guard
