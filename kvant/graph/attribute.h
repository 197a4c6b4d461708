// Values of operators' attributes.
#ifndef KVANT_GRAPH_ATTRIBUTE_H_
#define KVANT_GRAPH_ATTRIBUTE_H_

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "kvant/core/dtype.h"
#include "kvant/core/index_mode.h"
#include "kvant/formats/format.h"
#include "kvant/rowwise/quant_mode.h"

namespace kvant::graph {

// A bool, an integer, a number, a text, or a list of integers. Enumerators of kvant are the texts that name them, so
// {"dst_type", Format::kInt4} and {"dst_type", "int4"} are one.
class AttributeValue {
 public:
  using Variant = std::variant<bool, int64_t, double, std::string, std::vector<int64_t>>;

  AttributeValue(bool value) : value_(value) {}
  template <std::integral T>
  AttributeValue(T value) : value_(static_cast<int64_t>(value)) {}
  AttributeValue(double value) : value_(value) {}
  AttributeValue(const char* text) : value_(std::string(text)) {}
  AttributeValue(std::string text) : value_(std::move(text)) {}
  AttributeValue(std::initializer_list<int64_t> list) : value_(std::vector<int64_t>(list)) {}
  AttributeValue(std::vector<int64_t> list) : value_(std::move(list)) {}
  AttributeValue(Format f) : AttributeValue(std::string(Name(f))) {}
  AttributeValue(DType t) : AttributeValue(std::string(Name(t))) {}
  AttributeValue(QuantMode m) : AttributeValue(std::string(Name(m))) {}
  AttributeValue(IndexMode m) : AttributeValue(std::string(Name(m))) {}
  AttributeValue(IndexPolicy p) : AttributeValue(std::string(Name(p))) {}
  AttributeValue(RoundMode m);

  const Variant& get() const { return value_; }
  friend bool operator==(const AttributeValue&, const AttributeValue&) = default;

 private:
  Variant value_;
};

struct Attribute {
  std::string name;
  AttributeValue value;
};

}  // namespace kvant::graph

#endif  // KVANT_GRAPH_ATTRIBUTE_H_
