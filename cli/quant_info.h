// What a file says about each quantized tensor: enough to read it back, with nothing inferred from types or names.
#ifndef CLI_QUANT_INFO_H_
#define CLI_QUANT_INFO_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kvant/core/dtype.h"
#include "kvant/core/status.h"
#include "kvant/formats/format.h"
#include "kvant/rowwise/quant_mode.h"

namespace kvant::cli {

// In .safetensors a metadata entry for each quantized tensor, its key this prefix and the tensor's name; for x.npy the
// file x.kvant.json. Both hold the same JSON object.
inline constexpr std::string_view kQuantInfoPrefix = "kvant:";

struct QuantInfo {
  Format format = Format::kInt8;
  QuantMode mode = QuantMode::kPerToken;
  int64_t group_size = 0;
  std::vector<int64_t> shape;       // logical: elements, not bytes
  DType dtype = DType::kFloat16;    // before quantization
  std::string scale, offset;        // names of tensors of the same file; offset is empty for symmetric codes
  std::string smooth, group_index;  // where they came from, empty without: the codes stand for x * smooth
  double dst_type_max = 0;

  bool operator==(const QuantInfo&) const = default;
};

std::string FormatQuantInfo(const QuantInfo& info);

// Fails with kInvalidValue, the message being what is wrong: "no member 'format'".
Status ParseQuantInfo(std::string_view json, QuantInfo* info);

// Shapes that follow from the logical one: of the codes as stored, and of scale and offset.
std::vector<int64_t> CodeShape(const QuantInfo& info);
std::vector<int64_t> ParamShape(const QuantInfo& info);

// The names of its scale and, for asymmetric codes, its offset.
std::vector<std::string> ParamNames(const QuantInfo& info);

// "pertoken/32": a mode with the group size, if there is one.
std::string Describe(QuantMode mode, int64_t group_size);
// "int4 pertoken/32 asymmetric": format, mode with the group size, and kind, for people.
std::string Describe(const QuantInfo& info);
// What codes of smoothed values stand for, in words: `smooth` is the name of the factors.
std::string SmoothNote(const std::string& smooth);

// "float16", "bfloat16" or "float32" -> dtype; false for any other name.
bool ParseFloatType(std::string_view name, DType* dtype);

// What ParseFloatType and ParseFormat understand: "a, b or c".
std::string FloatTypeNames();
std::string FormatNames();

}  // namespace kvant::cli

#endif  // CLI_QUANT_INFO_H_
