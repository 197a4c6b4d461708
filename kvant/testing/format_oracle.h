// What the number formats are, from their definitions alone: lists of values, and one rule for what lies between two.
// Shares nothing with the codecs of kvant/formats.
#ifndef KVANT_TESTING_FORMAT_ORACLE_H_
#define KVANT_TESTING_FORMAT_ORACLE_H_

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kvant/formats/format.h"

namespace kvant::testing {

// A float format without its sign: values from 0 up, where codes need not be in the order of their values.
class FloatFormatOracle {
 public:
  struct Value {
    double number;
    int code;
  };

  static FloatFormatOracle Fp8(int mantissa_bits, int bias, int largest_code) {
    FloatFormatOracle f;
    const int significands = 1 << mantissa_bits;
    for (int code = 0; code <= largest_code; ++code) {
      const int field = code / significands, fraction = code % significands;
      f.values_.push_back({field == 0 ? std::ldexp(fraction, 1 - bias - mantissa_bits)
                                      : std::ldexp(significands + fraction, field - bias - mantissa_bits),
                           code});
    }
    f.Index();
    return f;
  }

  static FloatFormatOracle HiFloat8() {
    FloatFormatOracle f;
    f.hifloat8_ = true;
    f.values_.push_back({0, 0});
    for (int m = 1; m < 8; ++m) f.values_.push_back({std::ldexp(1.0, m - 23), m});
    for (int m = 0; m < 8; ++m) f.values_.push_back({1 + m / 8.0, 8 + m});
    // The dot class, by how many bits of |E| follow its sign; |E| has its leading 1 besides, and the rest is mantissa.
    constexpr struct {
      int exponent_bits, mantissa_bits, first_code;
    } kClasses[] = {{0, 3, 0x10}, {1, 3, 0x20}, {2, 2, 0x40}, {3, 1, 0x60}};
    for (const auto& c : kClasses) {
      int code = c.first_code;
      for (const int sign : {1, -1}) {
        for (int e = 1 << c.exponent_bits; e < 2 << c.exponent_bits; ++e) {
          for (int m = 0; m < 1 << c.mantissa_bits; ++m, ++code) {
            const double number = std::ldexp(1 + std::ldexp(m, -c.mantissa_bits), sign * e);
            if (code != 0x6F) f.values_.push_back({number, code});  // 0x6F is infinity
          }
        }
      }
    }
    std::sort(f.values_.begin(), f.values_.end(), [](const Value& a, const Value& b) { return a.number < b.number; });
    f.Index();
    return f;
  }

  int Encode(float v) const {
    if (std::isnan(v)) return hifloat8_ ? 0 : 0x7F;
    const double magnitude = std::fabs(v);
    const auto above = std::lower_bound(values_.begin(), values_.end(), magnitude,
                                        [](const Value& value, double m) { return value.number < m; });
    int code;
    if (above == values_.end()) {
      code = values_.back().code;  // saturation, of infinities too
    } else if (above->number == magnitude) {
      code = above->code;
    } else {
      const Value &high = *above, &low = *(above - 1);
      const double middle = (low.number + high.number) / 2;
      const int tie = hifloat8_ || high.code % 2 == 0 ? high.code : low.code;  // away from zero, or to even
      code = magnitude == middle ? tie : magnitude < middle ? low.code : high.code;
    }
    if (hifloat8_ && code == 0) return 0;
    return std::signbit(v) ? code | 0x80 : code;
  }

  // Of a code that Encode gives: its value, NaN for one that stands for no number, and how far the farther of its
  // neighbours is.
  double Decode(int code) const {
    const Value* const value = Find(code);
    if (value == nullptr) return std::numeric_limits<double>::quiet_NaN();
    return (code & 0x80) != 0 ? -value->number : value->number;
  }
  const std::vector<Value>& values() const { return values_; }
  double Gap(int code) const {
    const Value* const value = Find(code);
    if (value == nullptr) return std::numeric_limits<double>::quiet_NaN();
    const double below = value == &values_.front() ? 0 : value->number - (value - 1)->number;
    const double above = value == &values_.back() ? 0 : (value + 1)->number - value->number;
    return std::max(below, above);
  }

 private:
  void Index() {
    positions_.fill(-1);
    for (size_t i = 0; i < values_.size(); ++i) positions_[static_cast<size_t>(values_[i].code)] = static_cast<int>(i);
  }
  const Value* Find(int code) const {
    const int at = positions_[static_cast<size_t>(code & 0x7F)];
    const bool nan = hifloat8_ && code == 0x80;
    return at < 0 || nan ? nullptr : &values_[static_cast<size_t>(at)];
  }

  std::vector<Value> values_;         // ascending
  std::array<int, 128> positions_{};  // in values_, by code
  bool hifloat8_ = false;
};

inline const FloatFormatOracle& FloatOracleOf(Format format) {
  static const FloatFormatOracle kE4M3 = FloatFormatOracle::Fp8(3, 7, 0x7E),
                                 kE5M2 = FloatFormatOracle::Fp8(2, 15, 0x7B), kHiFloat8 = FloatFormatOracle::HiFloat8();
  return format == Format::kFloat8E4M3FN ? kE4M3 : format == Format::kFloat8E5M2 ? kE5M2 : kHiFloat8;
}

// The code of v as 8 bits; of INT4 as a nibble.
inline uint8_t EncodeByDefinition(Format format, float v) {
  if (!IsInteger(format)) return static_cast<uint8_t>(FloatOracleOf(format).Encode(v));
  if (std::isnan(v)) return 0;
  const double low = format == Format::kInt8 ? -128 : -8, high = format == Format::kInt8 ? 127 : 7;
  const int code = static_cast<int>(std::nearbyint(std::min(std::max(double{v}, low), high)));
  return static_cast<uint8_t>(format == Format::kInt8 ? code : code & 15);
}

inline double DecodeByDefinition(Format format, uint8_t code) {
  if (format == Format::kInt8) return static_cast<int8_t>(code);
  if (format == Format::kInt4) return code < 8 ? code : code - 16;
  return FloatOracleOf(format).Decode(code);
}

// The larger distance from a code's value to the next one that the format has.
inline double GapByDefinition(Format format, uint8_t code) {
  return IsInteger(format) ? 1 : FloatOracleOf(format).Gap(code);
}

// The numbers half way between two neighbours of a format: where a quotient that is off by one unit becomes another
// code.
inline std::vector<double> TiesByDefinition(Format format) {
  std::vector<double> ties;
  if (IsInteger(format)) {
    const int low = format == Format::kInt8 ? -128 : -8;
    for (int q = low; q < -low - 1; ++q) ties.push_back(q + 0.5);
    return ties;
  }
  const auto& values = FloatOracleOf(format).values();
  for (size_t i = 1; i < values.size(); ++i) {
    ties.push_back((values[i - 1].number + values[i].number) / 2);
    ties.push_back(-ties.back());
  }
  return ties;
}

// D and R of the formulas.
inline float LargestByDefinition(Format format, double dst_type_max) {
  switch (format) {
    case Format::kInt8:
      return 127;
    case Format::kInt4:
      return 7;
    case Format::kFloat8E4M3FN:
      return 448;
    case Format::kFloat8E5M2:
      return 57344;
    case Format::kHiFloat8:
      break;
  }
  const float max = static_cast<float>(dst_type_max);
  return max < 1e-6f ? 32768 : max;
}
inline float RangeByDefinition(Format format, double dst_type_max) {
  return format == Format::kInt8 ? 255 : format == Format::kInt4 ? 15 : 2 * LargestByDefinition(format, dst_type_max);
}

}  // namespace kvant::testing

#endif  // KVANT_TESTING_FORMAT_ORACLE_H_
