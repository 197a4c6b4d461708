// The row kernels one element at a time: what every other backend must equal, and what runs where none is built.
#include <algorithm>
#include <bit>
#include <cmath>

#include "kvant/core/half.h"
#include "kvant/core/macros.h"
#include "kvant/numerics/lanes_scalar.h"
#include "kvant/rowwise/kernels.h"

namespace kvant {
namespace {

#include "kvant/formats/codecs.inc"
#include "kvant/numerics/affine.inc"

using L = ScalarLanes;

template <class In>
float Element(const void* x, const float* smooth, int64_t i) {
  const float v = ToFloat32(static_cast<const In*>(x)[i]);
  return smooth == nullptr ? v : v * smooth[i];
}

template <Format kFormat>
void StoreCode(uint8_t* y, int64_t i, int32_t code) {
  if constexpr (kFormat == Format::kInt4) {
    const int shift = i % 2 == 0 ? 0 : 4;
    y[i / 2] = static_cast<uint8_t>((y[i / 2] & ~(0xF << shift)) | (code & 0xF) << shift);
  } else {
    y[i] = static_cast<uint8_t>(code);
  }
}

template <class In>
MinMaxBits MinMax(const void* x, const float* smooth, int64_t n, const void*) {
  MinMaxBits result;
  for (int64_t i = 0; i < n; ++i) {
    const int32_t bits = OrderedBits<L>(L::Bits(Element<In>(x, smooth, i)));
    result.min = std::min(result.min, bits);
    result.max = std::max(result.max, bits);
  }
  return result;
}

template <class In>
int32_t Amax(const void* x, const float* smooth, int64_t n, const void*) {
  int32_t result = 0;
  for (int64_t i = 0; i < n; ++i) {
    result = std::max(result, L::Bits(Element<In>(x, smooth, i)) & 0x7FFFFFFF);
  }
  return result;
}

template <class In, Format kFormat, bool kAsymmetric>
void Encode(const EncodeArgs& a, const RowParams& p) {
  for (int64_t i = 0; i < a.n; ++i) {
    float v = Element<In>(a.x, a.smooth, i) / p.scale;
    if constexpr (kAsymmetric) v = v + p.offset;
    StoreCode<kFormat>(a.y, i, CodecOf<L, kFormat>::Encode(v));
  }
}

// The batch form exists for speed alone: the reference leaves every row to the caller.
RowMask ShortRows(const ShortRowsArgs& a) { return AllRows(a.rows); }

template <class In>
void MinMaxColumns(const void* x, int64_t stride, int64_t rows, const float* smooth, int64_t n, int32_t* min,
                   int32_t* max) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < n; ++i) {
      float v = ToFloat32(static_cast<const In*>(x)[r * stride + i]);
      if (smooth != nullptr) v *= smooth[r];
      const int32_t bits = OrderedBits<L>(L::Bits(v));
      min[i] = std::min(min[i], bits);
      max[i] = std::max(max[i], bits);
    }
  }
}

template <class In, Format kFormat, bool kHybrid, bool kMultiply>
void EncodeColumns(const EncodeColumnsArgs& a) {
  using Codec = std::conditional_t<kHybrid, HiFloat8Codec<L, true>, CodecOf<L, kFormat>>;
  for (int64_t i = 0; i < a.n; ++i) {
    const int64_t k = a.shared ? 0 : i;
    const float v = ToFloat32(static_cast<const In*>(a.x)[i]) * a.smooth;
    const float q = kMultiply ? v * a.scale[k] : v / a.scale[k];
    StoreCode<kFormat>(a.y, i, Codec::Encode(q + a.offset[k]));
  }
}

template <class In, Format kFormat, bool kHybrid>
constexpr void FillColumns(EncodeColumnsFunction (&ops)[kNumColumnOps]) {
  ops[static_cast<int>(ColumnOp::kDivide)] = EncodeColumns<In, kFormat, kHybrid, false>;
  ops[static_cast<int>(ColumnOp::kDivideFast)] = EncodeColumns<In, kFormat, kHybrid, false>;
  ops[static_cast<int>(ColumnOp::kMultiply)] = EncodeColumns<In, kFormat, kHybrid, true>;
}

template <class In, Format kFormat>
constexpr void FillFormat(RowKernels& k) {
  constexpr int f = static_cast<int>(kFormat);
  for (int smooth = 0; smooth < 2; ++smooth) {
    for (int path = 0; path < kNumPaths; ++path) {
      k.encode[f][0][smooth][path] = Encode<In, kFormat, false>;
      k.encode[f][1][smooth][path] = Encode<In, kFormat, true>;
    }
  }
  k.short_rows[f][0] = k.short_rows[f][1] = ShortRows;
  FillColumns<In, kFormat, false>(k.encode_columns[f]);
}

template <class In>
constexpr RowKernels MakeRowKernels() {
  RowKernels k{};
  k.flush_subnormals = false;
  k.min_max = MinMax<In>;
  k.amax = Amax<In>;
  k.min_max_columns = MinMaxColumns<In>;
  k.shared_room = 1;
#define KVANT_ROW(id, name, bits, d, npu, graph) FillFormat<In, Format::id>(k);
  KVANT_FORMAT_LIST(KVANT_ROW)
#undef KVANT_ROW
  FillColumns<In, Format::kHiFloat8, true>(k.encode_columns[kHybridColumns]);
  return k;
}

}  // namespace

const RowKernels& ReferenceRowKernels(DType x_dtype) {
  static constexpr RowKernels kFloat16 = MakeRowKernels<Float16>();
  static constexpr RowKernels kBFloat16 = MakeRowKernels<BFloat16>();
  static constexpr RowKernels kFloat32 = MakeRowKernels<float>();
  return x_dtype == DType::kFloat16 ? kFloat16 : x_dtype == DType::kBFloat16 ? kBFloat16 : kFloat32;
}

}  // namespace kvant
