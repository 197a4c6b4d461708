// The kernels one element at a time: what every SIMD target must equal.
#include <bit>
#include <cstring>
#include <type_traits>

#include "kvant/core/half.h"
#include "kvant/core/macros.h"
#include "kvant/numerics/lanes_scalar.h"
#include "kvant/ops/dequantize/kernels.h"

namespace kvant::dequantize {
namespace {

#include "kvant/formats/codecs.inc"
#include "kvant/numerics/affine.inc"

using L = ScalarLanes;

float LoadFloat(const char* p) {
  float v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}

// A code as codecs take it: sign-extended for the integer formats.
template <Format kFormat>
int32_t CodeAt(const uint8_t* codes, int64_t i) {
  if constexpr (kFormat == Format::kInt8) {
    return static_cast<int8_t>(codes[i]);
  } else if constexpr (kFormat == Format::kInt4) {
    const int nibble = codes[i / 2] >> (i % 2 == 0 ? 0 : 4) & 15;
    return nibble < 8 ? nibble : nibble - 16;
  } else {
    return codes[i];
  }
}

template <Format kFormat, class Out, bool kColumns>
void Decode(const DecodeArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    const uint8_t* codes = a.codes + r * a.codes_stride;
    char* x = a.x + r * a.x_stride;
    for (int64_t i = 0; i < a.n; ++i) {
      const int64_t column = i * static_cast<int64_t>(sizeof(float));
      const float scale = LoadFloat(a.scale + (kColumns ? column : r * a.scale_stride));
      float offset = LoadFloat(a.offset + (kColumns ? column : r * a.offset_stride));
      if (!kColumns) offset = L::FloatOf(L::Bits(offset) ^ static_cast<int32_t>(a.offset_sign));
      const float q = CodecOf<L, kFormat>::Decode(CodeAt<kFormat>(codes, i));
      const Out out = FromFloat32<Out>(Reconstruct<L>(q, scale, offset));
      std::memcpy(x + i * sizeof(Out), &out, sizeof(Out));
    }
  }
}

template <Format kFormat>
constexpr void Fill(Kernels& k) {
  constexpr int f = static_cast<int>(kFormat);
  k.rows[f][0] = Decode<kFormat, Float16, false>;
  k.rows[f][1] = Decode<kFormat, BFloat16, false>;
  k.rows[f][2] = Decode<kFormat, float, false>;
  k.columns[f][0] = Decode<kFormat, Float16, true>;
  k.columns[f][1] = Decode<kFormat, BFloat16, true>;
  k.columns[f][2] = Decode<kFormat, float, true>;
}

constexpr Kernels Make() {
  Kernels k{};
#define KVANT_ROW(id, name, bits, d, npu, graph) Fill<Format::id>(k);
  KVANT_FORMAT_LIST(KVANT_ROW)
#undef KVANT_ROW
  return k;
}

}  // namespace

const Kernels& ReferenceKernels() {
  static constexpr Kernels kKernels = Make();
  return kKernels;
}

}  // namespace kvant::dequantize
