#include "cli/quant_info.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "cli/common.h"
#include "cli/io/message.h"

namespace kvant::cli {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

template <class... Args>
Status Invalid(fmt::format_string<Args...> format, Args&&... args) {
  return Status::InvalidValue(fmt::format(format, std::forward<Args>(args)...));
}

Status GetText(const json& object, const char* key, std::string* text) {
  const auto it = object.find(key);
  if (it == object.end()) return Invalid("no member '{}'", key);
  if (!it->is_string()) return Invalid("'{}' is not a string", key);
  *text = it->get<std::string>();
  return {};
}

Status GetOptionalText(const json& object, const char* key, std::string* text) {
  return object.contains(key) ? GetText(object, key, text) : Status();
}

// Whole numbers from 0 to 2^63 - 1.
Status GetCount(const json& value, const char* key, int64_t* count) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
    return Invalid("'{}' is not a whole number", key);
  }
  *count = value.get<int64_t>();
  return {};
}

constexpr DType kFloatTypes[] = {DType::kFloat16, DType::kBFloat16, DType::kFloat32};

}  // namespace

bool ParseFloatType(std::string_view name, DType* dtype) {
  for (const DType candidate : kFloatTypes) {
    if (name == Name(candidate)) {
      *dtype = candidate;
      return true;
    }
  }
  return false;
}

std::string FloatTypeNames() {
  std::vector<std::string_view> names;
  for (const DType dtype : kFloatTypes) names.push_back(Name(dtype));
  return Alternatives(names);
}

std::string FormatNames() {
  std::vector<std::string_view> names;
  for (const FormatInfo& info : kFormatInfo) names.push_back(info.name);
  return Alternatives(names);
}

std::string FormatQuantInfo(const QuantInfo& info) {
  ordered_json object = {{"format", Name(info.format)}, {"shape", info.shape},           {"dtype", Name(info.dtype)},
                         {"mode", Name(info.mode)},     {"group_size", info.group_size}, {"scale", info.scale}};
  if (!info.offset.empty()) object["offset"] = info.offset;
  if (!info.smooth.empty()) object["smooth"] = info.smooth;
  if (!info.group_index.empty()) object["group_index"] = info.group_index;
  if (info.dst_type_max != 0) object["dst_type_max"] = info.dst_type_max;
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

Status ParseQuantInfo(std::string_view text, QuantInfo* info) {
  *info = QuantInfo();
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) return Invalid("not a JSON object");
  std::string format, mode, dtype;
  KVANT_RETURN_IF_ERROR(GetText(object, "format", &format));
  if (!ParseFormat(format, &info->format)) return Invalid("unknown format '{}'", Printable(format));
  KVANT_RETURN_IF_ERROR(GetText(object, "mode", &mode));
  if (!ParseQuantMode(mode, &info->mode)) return Invalid("unknown mode '{}'", Printable(mode));
  KVANT_RETURN_IF_ERROR(GetText(object, "dtype", &dtype));
  if (!ParseFloatType(dtype, &info->dtype)) return Invalid("'{}' is not a dtype of real numbers", Printable(dtype));

  const auto shape = object.find("shape");
  if (shape == object.end() || !shape->is_array() || shape->empty()) return Invalid("'shape' is not a list of sizes");
  for (const json& extent : *shape) KVANT_RETURN_IF_ERROR(GetCount(extent, "shape", &info->shape.emplace_back()));
  if (info->mode == QuantMode::kPerChannel && info->shape.size() < 2) {
    return Invalid("shape {} is too short for perchannel", ShapeText(info->shape));
  }
  if (info->format == Format::kInt4 && info->shape.back() % 2 != 0) {
    return Invalid("shape {} of int4 ends in an odd size", ShapeText(info->shape));
  }

  if (object.contains("group_size"))
    KVANT_RETURN_IF_ERROR(GetCount(object["group_size"], "group_size", &info->group_size));
  const int64_t g = info->group_size;
  if (g != 0 && (info->shape.back() % g != 0 || (info->format == Format::kInt4 && g % 2 != 0) ||
                 info->mode != QuantMode::kPerToken || !IsInteger(info->format))) {
    return Invalid("group_size {} does not fit {} {} of shape {}", g, format, mode, ShapeText(info->shape));
  }
  KVANT_RETURN_IF_ERROR(GetText(object, "scale", &info->scale));
  KVANT_RETURN_IF_ERROR(GetOptionalText(object, "offset", &info->offset));
  KVANT_RETURN_IF_ERROR(GetOptionalText(object, "smooth", &info->smooth));
  KVANT_RETURN_IF_ERROR(GetOptionalText(object, "group_index", &info->group_index));
  const auto max = object.find("dst_type_max");
  info->dst_type_max = max != object.end() && max->is_number() ? max->get<double>() : 0;
  return {};
}

std::vector<int64_t> CodeShape(const QuantInfo& info) {
  std::vector<int64_t> shape = info.shape;
  shape.back() /= CodesPerElement(info.format, StorageType(info.format));
  return shape;
}

std::vector<int64_t> ParamShape(const QuantInfo& info) {
  if (info.mode == QuantMode::kPerTensor) return {1};
  std::vector<int64_t> shape = info.shape;
  shape.erase(shape.end() - (info.mode == QuantMode::kPerChannel ? 2 : 1));
  if (info.group_size != 0) shape.push_back(info.shape.back() / info.group_size);
  return shape;
}

std::vector<std::string> ParamNames(const QuantInfo& info) {
  if (info.offset.empty()) return {info.scale};
  return {info.scale, info.offset};
}

std::string SmoothNote(const std::string& smooth) { return fmt::format("holds x * smooth ({})", Printable(smooth)); }

std::string Describe(QuantMode mode, int64_t group_size) {
  return group_size == 0 ? std::string(Name(mode)) : fmt::format("{}/{}", Name(mode), group_size);
}

std::string Describe(const QuantInfo& info) {
  return fmt::format("{} {} {}", Name(info.format), Describe(info.mode, info.group_size),
                     info.offset.empty() ? "symmetric" : "asymmetric");
}

}  // namespace kvant::cli
