// Codes from lanes to memory: narrow, keep their order, pack INT4 pairs.
#if defined(KVANT_FORMATS_STORE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVANT_FORMATS_STORE_INL_H_
#undef KVANT_FORMATS_STORE_INL_H_
#else
#define KVANT_FORMATS_STORE_INL_H_
#endif

#include "kvant/formats/format.h"
#include "kvant/numerics/lanes_hwy-inl.h"

HWY_BEFORE_NAMESPACE();
namespace kvant {
namespace HWY_NAMESPACE {

using Codes = VectorLanes::I;

// What packing leaves in blocks of 16 bytes, in the order of elements. Packing works inside blocks: piece v of block k
// holds the elements of vector v there.
#if HWY_TARGET == HWY_AVX3
KVANT_INLINE void StoreVector(__m512i v, void* to, bool stream) {
  if (stream) {
    _mm512_stream_si512(static_cast<__m512i*>(to), v);
  } else {
    _mm512_storeu_si512(to, v);
  }
}
KVANT_INLINE __m512i OrderDwords(__m512i blocks) {
  return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), blocks);
}
KVANT_INLINE __m512i OrderWords(__m512i blocks) {
  const __m512i order = _mm512_set_epi16(31, 23, 15, 7, 30, 22, 14, 6, 29, 21, 13, 5, 28, 20, 12, 4, 27, 19, 11, 3, 26,
                                         18, 10, 2, 25, 17, 9, 1, 24, 16, 8, 0);
  return _mm512_permutexvar_epi16(order, blocks);
}
#elif HWY_TARGET == HWY_AVX2
KVANT_INLINE void StoreVector(__m256i v, void* to, bool stream) {
  if (stream) {
    _mm256_stream_si256(static_cast<__m256i*>(to), v);
  } else {
    _mm256_storeu_si256(static_cast<__m256i*>(to), v);
  }
}
KVANT_INLINE __m256i OrderDwords(__m256i blocks) {
  return _mm256_permutevar8x32_epi32(blocks, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}
KVANT_INLINE __m256i OrderWords(__m256i blocks) {
  const __m128i low = _mm256_castsi256_si128(blocks), high = _mm256_extracti128_si256(blocks, 1);
  return _mm256_set_m128i(_mm_unpackhi_epi16(low, high), _mm_unpacklo_epi16(low, high));
}
#endif

// 4 vectors of codes to 4 N bytes; signed codes lie in int8, unsigned ones in uint8. `stream` needs `to` aligned to the
// bytes written and is a hint.
template <bool kSigned>
KVANT_INLINE void Store4(Codes a, Codes b, Codes c, Codes d, uint8_t* to, bool stream) {
#if HWY_TARGET == HWY_AVX3
  const __m512i ab = _mm512_packs_epi32(a.raw, b.raw);
  const __m512i cd = _mm512_packs_epi32(c.raw, d.raw);
  const __m512i bytes = kSigned ? _mm512_packs_epi16(ab, cd) : _mm512_packus_epi16(ab, cd);
  StoreVector(OrderDwords(bytes), to, stream);
#elif HWY_TARGET == HWY_AVX2
  const __m256i ab = _mm256_packs_epi32(a.raw, b.raw);
  const __m256i cd = _mm256_packs_epi32(c.raw, d.raw);
  const __m256i bytes = kSigned ? _mm256_packs_epi16(ab, cd) : _mm256_packus_epi16(ab, cd);
  StoreVector(OrderDwords(bytes), to, stream);
#else
  (void)stream;
  using T = std::conditional_t<kSigned, int8_t, uint8_t>;
  const hn::Rebind<T, VectorLanes::DF> dt;
  T* out = reinterpret_cast<T*>(to);
  const size_t n = VectorLanes::N();
  hn::StoreU(hn::DemoteTo(dt, a), dt, out);
  hn::StoreU(hn::DemoteTo(dt, b), dt, out + n);
  hn::StoreU(hn::DemoteTo(dt, c), dt, out + 2 * n);
  hn::StoreU(hn::DemoteTo(dt, d), dt, out + 3 * n);
#endif
}

// 8 vectors of INT4 codes (-8..7) to 4 N bytes, the even element in the low nibble.
KVANT_INLINE void Store8Nibbles(Codes a, Codes b, Codes c, Codes d, Codes e, Codes f, Codes g, Codes h, uint8_t* to,
                                bool stream) {
#if HWY_TARGET == HWY_AVX3
  // low + 16 high of two codes q is 136 less than of q + 8, whose nibbles are the two's complement ones with the top
  // bit flipped.
  const __m512i weights = _mm512_set1_epi32(0x00100001);
  const __m512i ab = _mm512_madd_epi16(_mm512_packs_epi32(a.raw, b.raw), weights);
  const __m512i cd = _mm512_madd_epi16(_mm512_packs_epi32(c.raw, d.raw), weights);
  const __m512i ef = _mm512_madd_epi16(_mm512_packs_epi32(e.raw, f.raw), weights);
  const __m512i gh = _mm512_madd_epi16(_mm512_packs_epi32(g.raw, h.raw), weights);
  const __m512i bias = _mm512_set1_epi16(136);
  const __m512i abcd = _mm512_add_epi16(_mm512_packs_epi32(ab, cd), bias);
  const __m512i efgh = _mm512_add_epi16(_mm512_packs_epi32(ef, gh), bias);
  const __m512i bytes = _mm512_xor_si512(_mm512_packus_epi16(abcd, efgh), _mm512_set1_epi8(static_cast<char>(0x88)));
  StoreVector(OrderWords(bytes), to, stream);
#elif HWY_TARGET == HWY_AVX2
  const __m256i weights = _mm256_set1_epi32(0x00100001);
  const __m256i ab = _mm256_madd_epi16(_mm256_packs_epi32(a.raw, b.raw), weights);
  const __m256i cd = _mm256_madd_epi16(_mm256_packs_epi32(c.raw, d.raw), weights);
  const __m256i ef = _mm256_madd_epi16(_mm256_packs_epi32(e.raw, f.raw), weights);
  const __m256i gh = _mm256_madd_epi16(_mm256_packs_epi32(g.raw, h.raw), weights);
  const __m256i bias = _mm256_set1_epi16(136);
  const __m256i abcd = _mm256_add_epi16(_mm256_packs_epi32(ab, cd), bias);
  const __m256i efgh = _mm256_add_epi16(_mm256_packs_epi32(ef, gh), bias);
  const __m256i bytes = _mm256_xor_si256(_mm256_packus_epi16(abcd, efgh), _mm256_set1_epi8(static_cast<char>(0x88)));
  StoreVector(OrderWords(bytes), to, stream);
#else
  alignas(64) uint8_t nibbles[8 * hn::MaxLanes(VectorLanes::DF())];
  const size_t n = VectorLanes::N();
  Store4<true>(a, b, c, d, nibbles, false);
  Store4<true>(e, f, g, h, nibbles + 4 * n, false);
  (void)stream;
  const hn::ScalableTag<uint16_t> d16;
  const hn::Rebind<uint8_t, decltype(d16)> d8;
  for (size_t i = 0; i < 8 * n; i += 2 * hn::Lanes(d16)) {
    const auto pair = hn::LoadU(d16, reinterpret_cast<const uint16_t*>(nibbles + i));
    const auto low = hn::And(pair, hn::Set(d16, 0x0F));
    const auto high = hn::And(hn::ShiftRight<4>(pair), hn::Set(d16, 0xF0));
    hn::StoreU(hn::DemoteTo(d8, hn::BitCast(hn::RebindToSigned<decltype(d16)>(), hn::Or(low, high))), d8, to + i / 2);
  }
#endif
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace kvant
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
