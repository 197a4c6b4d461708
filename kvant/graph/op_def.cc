#include "kvant/graph/op_def.h"

#include <fmt/core.h>

#include <algorithm>
#include <cassert>
#include <climits>

#include "kvant/ops/quantize/rules.h"

namespace kvant::graph {

AttributeValue::AttributeValue(RoundMode m) : AttributeValue(std::string(kvant::Name(m))) {}

namespace {

template <class List>
int IndexOf(const List& list, std::string_view name) {
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

// The names of the enumerators from 0 to `last`.
template <class E>
Choices NamesTo(E last) {
  Choices all;
  for (int i = 0; i <= static_cast<int>(last); ++i)
    all.names.push_back(std::get<std::string>(AttributeValue(E(i)).get()));
  return all;
}

Choices Formats() {
  Choices all = NamesTo(static_cast<Format>(kNumFormats - 1));
  for (const FormatInfo& info : kFormatInfo) all.codes.push_back(info.graph_code);
  all.code_name = "graph code";
  return all;
}

template <class T>
std::string OneOf(const std::vector<T>& all) {
  std::string text;
  for (size_t i = 0; i < all.size(); ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : i + 1 == all.size() ? " or " : ", ", all[i]);
  }
  return text;
}

std::string Expected(const AttributeDef& def) {
  switch (def.kind) {
    case AttributeKind::kBool:
      return "true or false";
    case AttributeKind::kInt:
      return "an integer";
    case AttributeKind::kInt32:
      return "an integer of 32 bits";
    case AttributeKind::kFloat:
      return "a number";
    case AttributeKind::kInts:
      return "a list of integers";
    case AttributeKind::kChoice:
      break;
  }
  std::string names = OneOf(def.choices->names);
  if (def.choices->code_name.empty()) return names;
  return fmt::format("{}, or the {} {}", names, def.choices->code_name, OneOf(def.choices->codes));
}

std::optional<AttributeValue> Converted(const AttributeDef& def, const AttributeValue& value) {
  const AttributeValue::Variant& v = value.get();
  const int64_t* integer = std::get_if<int64_t>(&v);
  switch (def.kind) {
    case AttributeKind::kBool:
      if (std::holds_alternative<bool>(v)) return value;
      break;
    case AttributeKind::kInt:
      if (integer != nullptr) return value;
      break;
    case AttributeKind::kInt32:
      if (integer != nullptr && *integer >= INT_MIN && *integer <= INT_MAX) return value;
      break;
    case AttributeKind::kFloat:
      if (std::holds_alternative<double>(v)) return value;
      if (integer != nullptr) return AttributeValue(static_cast<double>(*integer));
      break;
    case AttributeKind::kInts:
      if (std::holds_alternative<std::vector<int64_t>>(v)) return value;
      break;
    case AttributeKind::kChoice: {
      const Choices& choices = *def.choices;
      if (const auto* text = std::get_if<std::string>(&v)) {
        if (std::find(choices.names.begin(), choices.names.end(), *text) != choices.names.end()) return value;
      } else if (integer != nullptr) {
        const auto at = std::find(choices.codes.begin(), choices.codes.end(), *integer);
        if (at != choices.codes.end()) return choices.names[static_cast<size_t>(at - choices.codes.begin())];
      }
    }
  }
  return std::nullopt;
}

}  // namespace

const TensorView& Call::In(std::string_view name) const {
  const int index = op_.ArgumentIndex(name);
  assert(index >= 0);
  return arguments_[static_cast<size_t>(index)];
}

TensorView Call::Out(std::string_view name) const {
  for (const auto& [result, view] : results_) {
    if (result == name) return view;
  }
  return {};
}

const AttributeValue::Variant& Call::Get(std::string_view name) const {
  const int index = op_.AttributeIndex(name);
  assert(index >= 0);
  return attributes_[static_cast<size_t>(index)]->get();
}

bool Call::IsGiven(std::string_view name) const {
  const int index = op_.AttributeIndex(name);
  assert(index >= 0);
  return attributes_[static_cast<size_t>(index)].has_value();
}

int Call::ChoiceIndex(std::string_view name) const {
  const auto& names = op_.attributes[static_cast<size_t>(op_.AttributeIndex(name))].choices->names;
  return static_cast<int>(std::find(names.begin(), names.end(), std::get<std::string>(Get(name))) - names.begin());
}

int OpDef::ArgumentIndex(std::string_view argument) const { return IndexOf(arguments, argument); }
int OpDef::AttributeIndex(std::string_view attribute) const { return IndexOf(attributes, attribute); }

bool OpDef::writes() const {
  return std::any_of(arguments.begin(), arguments.end(), [](const ArgumentDef& a) { return a.written(); });
}

const std::vector<OpDef>& AllOps() {
  static const std::vector<OpDef> ops = [] {
    std::vector<OpDef> all;
    AddQuantOps(&all);
    AddPartOps(&all);
    AddScatterOps(&all);
    AddShapeOps(&all);
    std::sort(all.begin(), all.end(), [](const OpDef& a, const OpDef& b) { return a.name < b.name; });
    return all;
  }();
  return ops;
}

const OpDef* FindOp(std::string_view name) {
  const int index = IndexOf(AllOps(), name);
  return index < 0 ? nullptr : &AllOps()[static_cast<size_t>(index)];
}

Status Normalize(const AttributeDef& def, const AttributeValue& value, AttributeValue* kept) {
  if (std::optional<AttributeValue> converted = Converted(def, value)) {
    *kept = std::move(*converted);
    return {};
  }
  return Status::InvalidValue(fmt::format("attribute {} is {}, expected {}", def.name, Text(value), Expected(def)));
}

std::string Text(const AttributeValue& value) {
  const AttributeValue::Variant& v = value.get();
  if (const auto* flag = std::get_if<bool>(&v)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<int64_t>(&v)) return fmt::format("{}", *integer);
  if (const auto* number = std::get_if<double>(&v)) return fmt::format("{}", *number);
  if (const auto* text = std::get_if<std::string>(&v)) return *text;
  return ShapeText(std::get<std::vector<int64_t>>(v));
}

AttributeDef DstType() {
  static const Choices choices = Formats();
  return {"dst_type", AttributeKind::kChoice, Format::kInt8, false, &choices};
}
AttributeDef QuantModeOf() {
  static const Choices choices = NamesTo(QuantMode::kPerChannel);
  return {"quant_mode", AttributeKind::kChoice, QuantMode::kPerToken, false, &choices};
}
AttributeDef RoundModeOf() {
  static const Choices choices = NamesTo(RoundMode::kHybrid);
  return {"round_mode", AttributeKind::kChoice, RoundMode::kRint, false, &choices};
}
AttributeDef DTypeOf(std::string_view name, DType by_default) {
  static const Choices choices = NamesTo(DType::kFloat8E5M2);
  return {name, AttributeKind::kChoice, by_default, false, &choices};
}
AttributeDef IndexModeOf() {
  static const Choices choices = NamesTo(IndexMode::kSlot);
  return {"index_mode", AttributeKind::kChoice, std::nullopt, false, &choices};
}
AttributeDef IndexPolicyOf() {
  static const Choices choices = NamesTo(IndexPolicy::kSkip);
  return {"index_policy", AttributeKind::kChoice, IndexPolicy::kError, false, &choices};
}
AttributeDef Flag(std::string_view name) { return {name, AttributeKind::kBool, false}; }
AttributeDef Int(std::string_view name, int64_t by_default) { return {name, AttributeKind::kInt, by_default}; }
AttributeDef Axis(int64_t by_default) { return {"axis", AttributeKind::kInt32, by_default}; }
AttributeDef Float(std::string_view name, double by_default) { return {name, AttributeKind::kFloat, by_default}; }

}  // namespace kvant::graph
