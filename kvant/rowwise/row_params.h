// Statistics of a row to its scale, offset and path: the scalar middle of every row-wise operator.
#ifndef KVANT_ROWWISE_ROW_PARAMS_H_
#define KVANT_ROWWISE_ROW_PARAMS_H_

#include <bit>

#include "kvant/core/half.h"
#include "kvant/core/macros.h"
#include "kvant/numerics/lanes_scalar.h"
#include "kvant/rowwise/kernels.h"

namespace kvant {
namespace scalar {
#include "kvant/numerics/affine.inc"
}  // namespace scalar

inline float FromOrdered(int32_t ordered) { return std::bit_cast<float>(scalar::OrderedBits<ScalarLanes>(ordered)); }

inline MinMaxBits Merge(const MinMaxBits& a, const MinMaxBits& b) {
  return {a.min < b.min ? a.min : b.min, a.max > b.max ? a.max : b.max};
}

// A NaN among the elements, of either sign, is outside the infinities at one end.
inline bool HasNaN(const MinMaxBits& m) {
  constexpr int32_t kPlusInfinity = 0x7F800000;
  constexpr int32_t kMinusInfinity = ~kPlusInfinity;  // OrderedBits of 0xFF800000
  return m.max > kPlusInfinity || m.min < kMinusInfinity;
}

struct MinMaxValues {
  float min, max;
};

inline constexpr float kNaN = std::bit_cast<float>(0x7FC00000);

// The numbers behind the bits. With no element: +inf and -inf, or 0 and 0 where an empty row counts as the value 0.
inline MinMaxValues ValuesOf(const MinMaxBits& m, bool empty_is_zero) {
  if (m.min > m.max) {
    constexpr float kInfinity = std::bit_cast<float>(0x7F800000);
    return empty_is_zero ? MinMaxValues{0, 0} : MinMaxValues{kInfinity, -kInfinity};
  }
  if (HasNaN(m)) return {kNaN, kNaN};
  return {FromOrdered(m.min), FromOrdered(m.max)};
}

// What a table of this dtype keeps of a number, and of a scale.
inline float Kept(float v, DType table) {
  return table == DType::kFloat16    ? scalar::KeptIn16Bits<ScalarLanes, false>(v)
         : table == DType::kBFloat16 ? scalar::KeptIn16Bits<ScalarLanes, true>(v)
                                     : v;
}
inline float KeptScale(float v, DType table) {
  return table == DType::kFloat16    ? scalar::ScaleKeptIn16Bits<ScalarLanes, false>(v)
         : table == DType::kBFloat16 ? scalar::ScaleKeptIn16Bits<ScalarLanes, true>(v)
                                     : v;
}

// Scale and offset of a row as `table`, the dtype they are stored in, keeps them; `min` is not used when symmetric,
// where `max` is the largest magnitude.
inline RowParams ParamsOf(float min, float max, bool asymmetric, float d, float r, DType table = DType::kFloat32) {
  using L = ScalarLanes;
  RowParams p{};
  if (asymmetric) {
    p.scale = KeptScale(scalar::CanonicalNaN<L>(scalar::AsymmetricScale<L>(min, max, r)), table);
    p.offset = Kept(scalar::CanonicalNaN<L>(scalar::AsymmetricOffset<L>(max, p.scale, d)), table);
  } else {
    p.scale = KeptScale(scalar::CanonicalNaN<L>(scalar::SymmetricScale<L>(max, d)), table);
  }
  p.inverse = 1.0f / p.scale;
  return p;
}

}  // namespace kvant

#endif  // KVANT_ROWWISE_ROW_PARAMS_H_
