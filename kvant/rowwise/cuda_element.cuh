// What the threads of row-wise kernels do with elements: read, measure, make codes, write. The formulas are those of
// every backend, on CudaLanes.
#ifndef KVANT_ROWWISE_CUDA_ELEMENT_CUH_
#define KVANT_ROWWISE_CUDA_ELEMENT_CUH_

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kvant/core/divisor.h"
#include "kvant/core/dtype.h"
#include "kvant/formats/format.h"
#include "kvant/numerics/lanes_cuda.cuh"
#include "kvant/rowwise/kernels.h"
#include "kvant/rowwise/regular.h"

namespace kvant::cuda {

#include "kvant/formats/codecs.inc"
#include "kvant/numerics/affine.inc"
#include "kvant/numerics/quotient.inc"
#include "kvant/rowwise/encode.inc"
#include "kvant/rowwise/row_params.inc"

using L = CudaLanes;

// `kBytes` bytes (1, 2, 4, 8 or 16) at an aligned address, as words. Inputs are only read while a kernel runs.
template <int kBytes>
struct Packed {
  uint32_t word[kBytes < 4 ? 1 : kBytes / 4];
};

template <int kBytes>
KVANT_INLINE Packed<kBytes> Load(const char* from) {
  Packed<kBytes> p;
#if defined(__CUDA_ARCH__)
  if constexpr (kBytes == 16) {
    const uint4 v = __ldg(reinterpret_cast<const uint4*>(from));
    p.word[0] = v.x, p.word[1] = v.y, p.word[2] = v.z, p.word[3] = v.w;
  } else if constexpr (kBytes == 8) {
    const uint2 v = __ldg(reinterpret_cast<const uint2*>(from));
    p.word[0] = v.x, p.word[1] = v.y;
  } else if constexpr (kBytes == 4) {
    p.word[0] = __ldg(reinterpret_cast<const unsigned*>(from));
  } else if constexpr (kBytes == 2) {
    p.word[0] = __ldg(reinterpret_cast<const unsigned short*>(from));
  } else {
    p.word[0] = __ldg(reinterpret_cast<const unsigned char*>(from));
  }
#else
  p.word[0] = 0;
  std::memcpy(p.word, from, kBytes);
#endif
  return p;
}

template <int kBytes>
KVANT_INLINE void Store(char* to, const Packed<kBytes>& p) {
#if defined(__CUDA_ARCH__)
  if constexpr (kBytes == 16) {
    *reinterpret_cast<uint4*>(to) = make_uint4(p.word[0], p.word[1], p.word[2], p.word[3]);
  } else if constexpr (kBytes == 8) {
    *reinterpret_cast<uint2*>(to) = make_uint2(p.word[0], p.word[1]);
  } else if constexpr (kBytes == 4) {
    *reinterpret_cast<unsigned*>(to) = p.word[0];
  } else if constexpr (kBytes == 2) {
    *reinterpret_cast<unsigned short*>(to) = static_cast<unsigned short>(p.word[0]);
  } else {
    *reinterpret_cast<unsigned char*>(to) = static_cast<unsigned char>(p.word[0]);
  }
#else
  std::memcpy(to, p.word, kBytes);
#endif
}

template <class T>
KVANT_INLINE T LoadAs(const char* from) {
  const Packed<static_cast<int>(sizeof(T))> p = Load<static_cast<int>(sizeof(T))>(from);
  T v;
  memcpy(&v, p.word, sizeof(T));
  return v;
}

// An element of a packed word as fp32.
template <class In, int kBytes>
KVANT_INLINE float NumberAt(const Packed<kBytes>& p, int i) {
  if constexpr (sizeof(In) == 4) {
    return L::FloatOf(static_cast<int32_t>(p.word[i]));
  } else {
    return L::Number(In{static_cast<uint16_t>(p.word[i / 2] >> (i % 2 * 16))});
  }
}

// A number of any float dtype; dtypes are the same for all threads. int32 becomes the nearest float.
KVANT_INLINE float NumberOf(const char* at, DType dtype) {
  if (dtype == DType::kFloat16) return L::Number(LoadAs<Float16>(at));
  if (dtype == DType::kBFloat16) return L::Number(LoadAs<BFloat16>(at));
  if (dtype == DType::kInt32) return L::ToFloat(LoadAs<int32_t>(at));
  return LoadAs<float>(at);
}

// n numbers of any of those dtypes from an aligned address.
template <int n>
KVANT_INLINE void NumbersOf(const char* at, DType dtype, float (&to)[n]) {
  if (dtype == DType::kFloat32 || dtype == DType::kInt32) {
    KVANT_UNROLL
    for (int i = 0; i < n; i += 4) {
      const Packed<16> p = Load<16>(at + 4 * i);
      KVANT_UNROLL
      for (int k = 0; k < 4; ++k) {
        to[i + k] = dtype == DType::kFloat32 ? NumberAt<float>(p, k) : L::ToFloat(static_cast<int32_t>(p.word[k]));
      }
    }
    return;
  }
  const Packed<2 * n> p = Load<2 * n>(at);
  KVANT_UNROLL
  for (int i = 0; i < n; ++i) {
    to[i] = dtype == DType::kFloat16 ? NumberAt<Float16>(p, i) : NumberAt<BFloat16>(p, i);
  }
}

// A number to a table of a float dtype. `negate` flips the sign bit, that of a NaN too.
KVANT_INLINE void PutNumber(char* to, float v, DType dtype, bool negate) {
  if (dtype == DType::kFloat32) {
    Store<4>(to, {{static_cast<uint32_t>(L::Bits(v)) ^ (negate ? 0x80000000u : 0u)}});
  } else {
    const uint32_t kept = dtype == DType::kFloat16 ? FromFloat32<Float16>(v).bits : FromFloat32<BFloat16>(v).bits;
    Store<2>(to, {{kept ^ (negate ? 0x8000u : 0u)}});
  }
}

KVANT_INLINE void AddNumber(float v, MinMaxBits* m) {
  const int32_t bits = OrderedBits<L>(L::Bits(v));
  m->min = L::MinI(m->min, bits);
  m->max = L::MaxI(m->max, bits);
}

// Statistics of 16-bit elements, two at a time. `kSymmetric`: only the largest magnitude.
template <class In, bool kSymmetric>
class PairRange {
 public:
  using Pairs = CudaPairs<In>;
  // The largest element and above it the largest of their negatives, or the largest magnitude twice. A NaN stays one.
  struct Bits {
    uint32_t pair = kSymmetric ? 0 : Pairs::kLeast;
  };

  KVANT_INLINE void Add(uint32_t pair) {
    if constexpr (kSymmetric) {
      max_ = Pairs::Max(max_, Pairs::Magnitudes(pair));
    } else {
      max_ = Pairs::Max(max_, pair);
      negative_ = Pairs::Max(negative_, Pairs::Negate(pair));
    }
  }
  KVANT_INLINE Bits Get() const {
    const uint32_t other = kSymmetric ? max_ : negative_;
    return {Pairs::Max((max_ & 0xFFFFu) | other << 16, max_ >> 16 | (other & 0xFFFF0000u))};
  }
  KVANT_INLINE static Bits Merge(const Bits& a, const Bits& b) { return {Pairs::Max(a.pair, b.pair)}; }
  KVANT_INLINE static MinMaxBits Wide(const Bits& all) {
    const float most = L::Number(In{static_cast<uint16_t>(all.pair)});
    if constexpr (kSymmetric) return {0, L::Bits(most)};
    const float least = L::Number(In{static_cast<uint16_t>(all.pair >> 16 ^ 0x8000u)});
    return {OrderedBits<L>(L::Bits(least)), OrderedBits<L>(L::Bits(most))};
  }

 private:
  uint32_t max_ = Bits().pair, negative_ = Pairs::kLeast;
};

// How the codes of a row are made.
enum : int32_t { kCodesExact, kCodesFast, kCodesZero };
struct RowCode {
  float scale, offset, inverse;
  int32_t how;
};

// The path of a row with parameters of its own; `v` are its statistics, for parameters that a 16-bit table has rounded.
// Nothing is flushed here, so that the rule of the CPU is on the safe side.
template <Format kFormat>
KVANT_INLINE RowCode CodeOf(const RowParams& p, const MinMaxValues& v, bool asymmetric, float d, float r, DType table) {
  RowCode c{p.scale, p.offset, p.inverse, kCodesExact};
  if (!asymmetric && p.scale == 0) {
    c.how = kCodesZero;
    return c;
  }
  constexpr PathRule kSymmetric(kFormat, false), kAsymmetric(kFormat, true);
  const PathRule rule = asymmetric ? kAsymmetric : kSymmetric;
  bool fast = rule.For(p.scale, p.offset) == Path::kFast;
  if (fast && table != DType::kFloat32) {
    const float low = L::Add(L::Div(asymmetric ? v.min : -v.max, p.scale), p.offset);
    const float high = L::Add(L::Div(v.max, p.scale), p.offset);
    fast = low >= d - r - rule.slack && high <= d + rule.slack;
  }
  if (fast) c.how = kCodesFast;
  return c;
}

// The code of x', which is one of a row that `c` is for. `twice`: x' has more than 11 bits.
template <Format kFormat, bool kAsymmetric>
KVANT_INLINE int32_t FastCode(float v, const RowCode& c, bool twice) {
  return twice ? EncodeFast<kFormat, kAsymmetric, true, L>(v, 1.0f, c.scale, c.inverse, c.offset)
               : EncodeFast<kFormat, kAsymmetric, false, L>(v, 1.0f, c.scale, c.inverse, c.offset);
}
// What an FP8 format rounds: a quotient with the sign of x', which a correction may have taken from a zero.
template <bool kAsymmetric>
KVANT_INLINE float FastNumber(float v, const RowCode& c, bool twice) {
  const float q = twice ? DivideBy<true, L>(v, c.scale, c.inverse) : DivideBy<false, L>(v, c.scale, c.inverse);
  if constexpr (kAsymmetric) return L::Add(q, c.offset);
  return L::FloatOf(L::BitSelect(L::SetI(INT32_MAX), L::Bits(q), L::Bits(v)));
}
template <Format kFormat>
KVANT_INLINE int32_t ExactCode(float v, const RowCode& c, bool asymmetric) {
  float q = L::Div(v, c.scale);
  if (asymmetric) q = L::Add(q, c.offset);
  return c.how == kCodesZero ? 0 : CodecOf<L, kFormat>::Encode(q);
}

// n codes in the bytes they are stored in.
template <Format kFormat, int n>
KVANT_INLINE auto PackCodes(const int32_t (&codes)[n]) {
  constexpr int kBits = kFormat == Format::kInt4 ? 4 : 8, kEach = 32 / kBits;
  Packed<n * kBits / 8> p;
  KVANT_UNROLL
  for (int i = 0; i < n; ++i) {
    const uint32_t code = (static_cast<uint32_t>(codes[i]) & ((1u << kBits) - 1)) << (i % kEach * kBits);
    p.word[i / kEach] = i % kEach == 0 ? code : p.word[i / kEach] | code;
  }
  return p;
}

// Two codes of an FP8 format, of any numbers, the first in the low byte.
template <Format kFormat>
KVANT_INLINE uint32_t CodesOfPair(float first, float second) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
  return L::NarrowToFp8<kFormat == Format::kFloat8E4M3FN>(first, second);
#else
  return static_cast<uint32_t>(CodecOf<L, kFormat>::Encode(first) | CodecOf<L, kFormat>::Encode(second) << 8);
#endif
}

template <Format kFormat, int n>
KVANT_INLINE Packed<n> PackPairs(const float (&v)[n]) {
  Packed<n> p;
  KVANT_UNROLL
  for (int i = 0; i < n; i += 2) {
    const uint32_t pair = CodesOfPair<kFormat>(v[i], v[i + 1]);
    p.word[i / 4] = i % 4 == 0 ? pair : p.word[i / 4] | pair << 16;
  }
  return p;
}

// FastCode of n numbers, as they are stored.
template <Format kFormat, bool kAsymmetric, int n>
KVANT_INLINE auto FastCodes(const float (&v)[n], const RowCode& c, bool twice) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 890
  if constexpr (kFormat == Format::kFloat8E4M3FN || kFormat == Format::kFloat8E5M2) {
    float q[n];
    KVANT_UNROLL
    for (int i = 0; i < n; ++i) q[i] = FastNumber<kAsymmetric>(v[i], c, twice);
    return PackPairs<kFormat>(q);
  }
#endif
  int32_t codes[n];
  KVANT_UNROLL
  for (int i = 0; i < n; ++i) codes[i] = FastCode<kFormat, kAsymmetric>(v[i], c, twice);
  return PackCodes<kFormat>(codes);
}

// Quotient and remainder of numbers that are not negative, by 32-bit division where that is enough.
template <class Int>
struct Parts {
  Int quotient, remainder;
};
using Divided = Parts<int64_t>;
KVANT_INLINE Parts<uint32_t> Divide(uint32_t a, uint32_t b) { return {a / b, a % b}; }
KVANT_INLINE Parts<uint32_t> Divide(uint32_t a, const Divisor& by) {
  const uint32_t quotient = by.Quotient(a);
  return {quotient, a - quotient * by.divisor()};
}
KVANT_INLINE Divided Divide(int64_t a, int64_t b) {
  if (static_cast<uint64_t>(a | b) >> 32 == 0) {
    const auto x = static_cast<uint32_t>(a), y = static_cast<uint32_t>(b);
    return {static_cast<int64_t>(x / y), static_cast<int64_t>(x % y)};
  }
  return {a / b, a % b};
}

}  // namespace kvant::cuda

#endif  // KVANT_ROWWISE_CUDA_ELEMENT_CUH_
