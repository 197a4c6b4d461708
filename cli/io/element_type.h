// Element types as files name them. There are more than kvant computes with: the others can be listed and copied.
#ifndef CLI_IO_ELEMENT_TYPE_H_
#define CLI_IO_ELEMENT_TYPE_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "kvant/core/dtype.h"

// X(enumerator, safetensors name, bits, .npy kind and bytes or "", kvant dtype or none), in the order of the reference
// implementation of safetensors: the widest last. Writers lay tensors out from the last row to the first, so that each
// is aligned to its element size.
#define KVANT_ELEMENT_TYPE_LIST(X)                   \
  X(kBool, "BOOL", 8, "b1", std::nullopt)            \
  X(kF4, "F4", 4, "", std::nullopt)                  \
  X(kF6E2M3, "F6_E2M3", 6, "", std::nullopt)         \
  X(kF6E3M2, "F6_E3M2", 6, "", std::nullopt)         \
  X(kU8, "U8", 8, "u1", DType::kUInt8)               \
  X(kI8, "I8", 8, "i1", DType::kInt8)                \
  X(kF8E5M2, "F8_E5M2", 8, "", DType::kFloat8E5M2)   \
  X(kF8E4M3, "F8_E4M3", 8, "", DType::kFloat8E4M3FN) \
  X(kF8E8M0, "F8_E8M0", 8, "", std::nullopt)         \
  X(kF8E4M3Fnuz, "F8_E4M3FNUZ", 8, "", std::nullopt) \
  X(kF8E5M2Fnuz, "F8_E5M2FNUZ", 8, "", std::nullopt) \
  X(kI16, "I16", 16, "i2", std::nullopt)             \
  X(kU16, "U16", 16, "u2", std::nullopt)             \
  X(kF16, "F16", 16, "f2", DType::kFloat16)          \
  X(kBF16, "BF16", 16, "", DType::kBFloat16)         \
  X(kI32, "I32", 32, "i4", DType::kInt32)            \
  X(kU32, "U32", 32, "u4", std::nullopt)             \
  X(kF32, "F32", 32, "f4", DType::kFloat32)          \
  X(kC64, "C64", 64, "c8", std::nullopt)             \
  X(kF64, "F64", 64, "f8", std::nullopt)             \
  X(kI64, "I64", 64, "i8", DType::kInt64)            \
  X(kU64, "U64", 64, "u8", std::nullopt)

namespace kvant::cli {

enum class ElementType : uint8_t {
#define KVANT_ROW(id, name, bits, npy, dtype) id,
  KVANT_ELEMENT_TYPE_LIST(KVANT_ROW)
#undef KVANT_ROW
};

struct ElementTypeInfo {
  std::string_view name;
  int bits;
  std::string_view npy;        // empty: .npy cannot express it
  std::optional<DType> dtype;  // absent: kvant has no operator for it
};

inline constexpr ElementTypeInfo kElementTypes[] = {
#define KVANT_ROW(id, name, bits, npy, dtype) {name, bits, npy, dtype},
    KVANT_ELEMENT_TYPE_LIST(KVANT_ROW)
#undef KVANT_ROW
};
inline constexpr int kNumElementTypes = sizeof(kElementTypes) / sizeof(kElementTypes[0]);

constexpr const ElementTypeInfo& Info(ElementType type) { return kElementTypes[static_cast<int>(type)]; }
constexpr std::string_view Name(ElementType type) { return Info(type).name; }
constexpr std::optional<DType> ToDType(ElementType type) { return Info(type).dtype; }

// Every kvant dtype has exactly one element type.
constexpr ElementType ToElementType(DType dtype) {
  int row = 0;
  while (kElementTypes[row].dtype != dtype) ++row;
  return static_cast<ElementType>(row);
}

// "F16", ... -> element type; absent for any other name.
constexpr std::optional<ElementType> ParseElementType(std::string_view name) {
  for (int row = 0; row < kNumElementTypes; ++row) {
    if (kElementTypes[row].name == name) return static_cast<ElementType>(row);
  }
  return std::nullopt;
}

}  // namespace kvant::cli

#endif  // CLI_IO_ELEMENT_TYPE_H_
