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
#include "kvant/rowwise/row_params.inc"
}  // namespace scalar

using scalar::Merge;
using scalar::MinMaxValues;

inline constexpr float kNaN = std::bit_cast<float>(0x7FC00000);

inline MinMaxValues ValuesOf(const MinMaxBits& m, bool empty_is_zero) {
  return scalar::ValuesOf<ScalarLanes>(m, empty_is_zero);
}
inline float Kept(float v, DType table) { return scalar::Kept<ScalarLanes>(v, table); }
inline float KeptScale(float v, DType table) { return scalar::KeptScale<ScalarLanes>(v, table); }
inline RowParams ParamsOf(float min, float max, bool asymmetric, float d, float r, DType table = DType::kFloat32) {
  return scalar::ParamsOf<ScalarLanes>(min, max, asymmetric, d, r, table);
}

}  // namespace kvant

#endif  // KVANT_ROWWISE_ROW_PARAMS_H_
