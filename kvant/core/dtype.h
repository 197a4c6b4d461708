// Storage types of tensors. A number format that has no storage type of its own (INT4, HIFLOAT8) is
// named by kvant::Format and stored as bytes.
#ifndef KVANT_CORE_DTYPE_H_
#define KVANT_CORE_DTYPE_H_

#include <cstdint>
#include <string_view>

// X(enumerator, name, bytes)
#define KVANT_DTYPE_LIST(X)            \
  X(kFloat16, "float16", 2)            \
  X(kBFloat16, "bfloat16", 2)          \
  X(kFloat32, "float32", 4)            \
  X(kInt8, "int8", 1)                  \
  X(kUInt8, "uint8", 1)                \
  X(kInt32, "int32", 4)                \
  X(kInt64, "int64", 8)                \
  X(kFloat8E4M3FN, "float8_e4m3fn", 1) \
  X(kFloat8E5M2, "float8_e5m2", 1)

// What scatter_update moves and errors name, but nothing computes with.
#define KVANT_OTHER_DTYPE_LIST(X) \
  X(kBool, "bool", 1)             \
  X(kInt16, "int16", 2)           \
  X(kUInt16, "uint16", 2)         \
  X(kUInt32, "uint32", 4)         \
  X(kUInt64, "uint64", 8)         \
  X(kFloat64, "float64", 8)       \
  X(kComplex64, "complex64", 8)   \
  X(kComplex128, "complex128", 16)

namespace kvant {

enum class DType : uint8_t {
#define KVANT_ROW(id, name, bytes) id,
  KVANT_DTYPE_LIST(KVANT_ROW) KVANT_OTHER_DTYPE_LIST(KVANT_ROW)
#undef KVANT_ROW
};

// Bytes of one storage element.
constexpr int64_t ByteSize(DType dtype) {
  switch (dtype) {
#define KVANT_ROW(id, name, bytes) \
  case DType::id:                  \
    return bytes;
    KVANT_DTYPE_LIST(KVANT_ROW) KVANT_OTHER_DTYPE_LIST(KVANT_ROW)
#undef KVANT_ROW
  }
  return 0;
}

// The name that errors, files and the command line use: "float16", "int8", ...
constexpr std::string_view Name(DType dtype) {
  switch (dtype) {
#define KVANT_ROW(id, name, bytes) \
  case DType::id:                  \
    return name;
    KVANT_DTYPE_LIST(KVANT_ROW) KVANT_OTHER_DTYPE_LIST(KVANT_ROW)
#undef KVANT_ROW
  }
  return "unknown";
}

// float16, bfloat16 or float32: what operators read as real numbers.
constexpr bool IsFloat(DType dtype) {
  return dtype == DType::kFloat16 || dtype == DType::kBFloat16 || dtype == DType::kFloat32;
}

// int32 or int64: what operators read as positions.
constexpr bool IsIndex(DType dtype) { return dtype == DType::kInt32 || dtype == DType::kInt64; }

}  // namespace kvant

#endif  // KVANT_CORE_DTYPE_H_
