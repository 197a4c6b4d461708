// Number formats of quantized codes: names, sizes and how they are stored.
#ifndef KVANT_FORMATS_FORMAT_H_
#define KVANT_FORMATS_FORMAT_H_

#include <cstdint>
#include <string_view>

#include "kvant/core/dtype.h"
#include "kvant/formats/format_list.h"

namespace kvant {

enum class Format : uint8_t {
#define KVANT_ROW(id, name, bits, d, npu, graph) id,
  KVANT_FORMAT_LIST(KVANT_ROW)
#undef KVANT_ROW
};

struct FormatInfo {
  std::string_view name;
  int bits;
  float d;         // symmetric: scale = amax / D
  int npu_code;    // torch_npu's dst_type
  int graph_code;  // the source operators' graph attribute
};

inline constexpr FormatInfo kFormatInfo[] = {
#define KVANT_ROW(id, name, bits, d, npu, graph) {name, bits, d, npu, graph},
    KVANT_FORMAT_LIST(KVANT_ROW)
#undef KVANT_ROW
};
inline constexpr int kNumFormats = sizeof(kFormatInfo) / sizeof(kFormatInfo[0]);

constexpr Format LastOf(Format) { return static_cast<Format>(kNumFormats - 1); }
constexpr const FormatInfo& Info(Format f) { return kFormatInfo[static_cast<int>(f)]; }
constexpr std::string_view Name(Format f) { return Info(f).name; }
constexpr bool IsInteger(Format f) { return f == Format::kInt8 || f == Format::kInt4; }

// The range R of asymmetric quantization: scale = (max - min) / R. Integers have one more code below zero than above.
constexpr float RangeFor(Format f, float d) { return IsInteger(f) ? 2 * d + 1 : 2 * d; }

// What n codes take, of INT4 an even number.
constexpr int64_t CodeBytes(Format f, int64_t n) { return f == Format::kInt4 ? n / 2 : n; }

// Codes in one storage element: 1, or for INT4 two to a byte and eight to an int32.
constexpr int64_t CodesPerElement(Format f, DType storage) { return f == Format::kInt4 ? ByteSize(storage) * 2 : 1; }

// The dtype a result has when the caller does not choose: int8, uint8 or the FP8 dtype.
constexpr DType StorageType(Format f) {
  switch (f) {
    case Format::kInt8:
      return DType::kInt8;
    case Format::kFloat8E4M3FN:
      return DType::kFloat8E4M3FN;
    case Format::kFloat8E5M2:
      return DType::kFloat8E5M2;
    default:
      return DType::kUInt8;
  }
}

// Whether codes of `f` may live in `storage`: the default, plain bytes for FP8, and int32 words for INT4.
constexpr bool StorageAllowed(Format f, DType storage) {
  if (storage == StorageType(f)) return true;
  if (f == Format::kInt4) return storage == DType::kInt32;
  return !IsInteger(f) && storage == DType::kUInt8;
}

// "int8", "int4", ... -> format; false for any other name.
constexpr bool ParseFormat(std::string_view name, Format* f) {
  for (int i = 0; i < kNumFormats; ++i) {
    if (kFormatInfo[i].name == name) {
      *f = static_cast<Format>(i);
      return true;
    }
  }
  return false;
}

// How a float becomes a code. kRint is nearest-even for integers and FP8 and means kRound for HIFLOAT8, whose own
// modes are kRound (nearest, ties away from zero) and kHybrid.
enum class RoundMode : uint8_t { kRint, kRound, kHybrid };

constexpr RoundMode LastOf(RoundMode) { return RoundMode::kHybrid; }

constexpr std::string_view Name(RoundMode m) {
  return m == RoundMode::kRint ? "rint" : m == RoundMode::kRound ? "round" : "hybrid";
}

}  // namespace kvant

#endif  // KVANT_FORMATS_FORMAT_H_
