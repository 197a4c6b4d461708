// A table of 32 small numbers in the two layouts that vector look-ups want.
#ifndef KVANT_NUMERICS_BYTE_TABLE_H_
#define KVANT_NUMERICS_BYTE_TABLE_H_

#include <cstdint>

namespace kvant {

struct ByteTable {
  alignas(64) int32_t words[32] = {};
  alignas(32) uint8_t bytes[32] = {};

  constexpr void Set(int index, int value) {
    words[index & 31] = value & 0xFF;
    bytes[index & 31] = static_cast<uint8_t>(value);
  }
};

}  // namespace kvant

#endif  // KVANT_NUMERICS_BYTE_TABLE_H_
