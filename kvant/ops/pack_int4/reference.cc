#include "kvant/ops/pack_int4/kernels.h"

namespace kvant::pack_int4 {
namespace {

void Pack(const int8_t* codes, int64_t n, uint8_t* packed) {
  for (int64_t i = 0; i < n; i += 2) packed[i / 2] = static_cast<uint8_t>((codes[i] & 15) | (codes[i + 1] & 15) << 4);
}

void Unpack(const uint8_t* packed, int64_t n, int8_t* codes) {
  for (int64_t i = 0; i < n; ++i) {
    const int nibble = packed[i / 2] >> (i % 2 == 0 ? 0 : 4) & 15;
    codes[i] = static_cast<int8_t>(nibble < 8 ? nibble : nibble - 16);
  }
}

}  // namespace

const Kernels& ReferenceKernels() {
  static constexpr Kernels kKernels{Pack, Unpack};
  return kKernels;
}

}  // namespace kvant::pack_int4
