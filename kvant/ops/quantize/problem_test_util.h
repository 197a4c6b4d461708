// A static quantization with everything it needs, and its result by the formula, an element at a time.
#ifndef KVANT_OPS_QUANTIZE_PROBLEM_TEST_UTIL_H_
#define KVANT_OPS_QUANTIZE_PROBLEM_TEST_UTIL_H_

#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "kvant/ops/quantize/quantize.h"
#include "kvant/testing/format_oracle.h"
#include "kvant/testing/random_problem.h"
#include "kvant/testing/tensors.h"

namespace kvant::testing {

// HIFLOAT8 with hybrid rounding: from |E| = 4 on the discarded bits themselves decide.
inline uint8_t EncodeHybrid(float v) {
  const float magnitude = std::fabs(v);
  const int bits = std::bit_cast<int>(magnitude), exponent = (bits >> 23) - 127, size = std::abs(exponent);
  if (std::isnan(v) || size < 4 || exponent > 15 || exponent < -23) return EncodeByDefinition(Format::kHiFloat8, v);
  const int fraction = bits & 0x7FFFFF, low = bits & 16383;
  float rounded;
  if (exponent == -23) {
    rounded = (fraction >> 10) + 8192 >= low ? 0x1p-22f : 0;
  } else {
    const int discarded = 23 - (size < 8 ? 2 : size < 16 ? 1 : 0);
    const int rest = fraction & ((1 << discarded) - 1);
    const bool up = rest != 0 && rest >> (discarded - 14) >= low;
    rounded = std::bit_cast<float>(((bits >> discarded) + (up ? 1 : 0)) << discarded);
  }
  return EncodeByDefinition(Format::kHiFloat8, std::copysign(rounded, v));
}

// Scales near those of ordinary data, powers of two at the ends of what may be divided fast, and any number at all.
inline float RandomScale(Rng& rng) {
  static const std::vector<int> kPowers = {-149, -126, -101, -77, -76, -51, -50, -49, 0, 73, 74, 75, 99, 100, 101, 127};
  if (OneIn(rng, 20)) return OneIn(rng, 2) ? AnyFloat(rng) : ValueSource::Special(rng);
  if (OneIn(rng, 20)) return OneIn(rng, 2) ? 0.0f : -0.0f;
  const float mantissa = 1 + static_cast<float>(Uniform(rng, 0, (1 << 23) - 1)) * 0x1p-23f;
  if (OneIn(rng, 4)) return std::ldexp(OneIn(rng, 2) ? 1.0f : mantissa, PickFrom(rng, kPowers));
  return std::ldexp(mantissa, static_cast<int>(Uniform(rng, -12, 2)));
}

inline float RandomZero(Rng& rng) {
  if (OneIn(rng, 4)) return OneIn(rng, 2) ? 0.0f : -0.0f;
  if (OneIn(rng, 10)) return std::ldexp(1.0f, static_cast<int>(Uniform(rng, -149, 20)));
  if (OneIn(rng, 30)) return AnyFloat(rng);
  return OneIn(rng, 2) ? static_cast<float>(Uniform(rng, -128, 127)) / 2 : Moderate(rng);
}

// The same scale again and again makes panels that are divided fast as a whole.
inline TestTensor RandomParameters(DType dtype, const Shape& shape, Layout layout, bool zero, Rng& rng) {
  TestTensor t(dtype, shape, layout, rng);
  const bool calm = OneIn(rng, 2);
  const float one = zero ? RandomZero(rng) : RandomScale(rng);
  t.ForEach([&](int64_t i, uint8_t*) {
    const float v = calm ? one : zero ? RandomZero(rng) : RandomScale(rng);
    if (dtype == DType::kInt32) {
      t.Set(i, OneIn(rng, 20) ? static_cast<int32_t>(rng()) : static_cast<int32_t>(Uniform(rng, -130, 130)));
    } else {
      t.SetFloat(i, v);
    }
  });
  return t;
}

// n elements in one dimension, in several, or a single one.
inline Shape ParameterShape(int64_t n, Rng& rng) {
  if (OneIn(rng, 4)) return OneIn(rng, 2) ? Shape{} : Shape{1};
  if (n != 0 && OneIn(rng, 2)) {
    const int64_t part = Uniform(rng, 1, n);
    if (n % part == 0) return {n / part, part};
  }
  return OneIn(rng, 3) ? Shape{1, n, 1} : Shape{n};
}

struct QuantizeProblem {
  Format format = Format::kInt8;
  int axis = -1;
  bool reciprocal = false, has_zero = false;
  RoundMode round_mode = RoundMode::kRint;
  TestTensor x, scales, zero_points, y;

  QuantizeArgs Args() {
    QuantizeArgs args;
    args.x = x.view();
    args.quant_scales = scales.view();
    if (has_zero) args.quant_zero_points = zero_points.view();
    args.dst_type = format;
    args.axis = axis;
    args.reciprocal_scale = reciprocal;
    args.round_mode = round_mode;
    args.y = y.view();
    return args;
  }

  void MakeY(Rng& rng, Layout layout = Layout::kContiguous, DType storage = DType::kInt64) {
    if (storage == DType::kInt64) storage = StorageType(format);
    Shape shape = x.shape();
    shape.back() /= CodesPerElement(format, storage);
    y = TestTensor(storage, shape, layout, rng);
  }

  // Index along the axis of element i of x.
  int64_t IndexOf(int64_t i) const {
    const auto rank = static_cast<int>(x.shape().size());
    for (int d = rank - 1; d > (axis < 0 ? axis + rank : axis); --d) i /= x.shape()[static_cast<size_t>(d)];
    return i % x.shape()[static_cast<size_t>(axis < 0 ? axis + rank : axis)];
  }

  static std::vector<float> Parameters(TestTensor& t) {
    if (t.dtype() != DType::kInt32) return t.Floats();
    std::vector<float> values;
    for (int64_t k = 0; k < t.elements(); ++k) values.push_back(static_cast<float>(t.Get<int32_t>(k)));
    return values;
  }

  uint8_t Encode(float v) const {
    return round_mode == RoundMode::kHybrid ? EncodeHybrid(v) : EncodeByDefinition(format, v);
  }

  // v of each element, before the cast. To be called in the default floating-point state.
  std::vector<float> Values() {
    const std::vector<float> s = Parameters(scales), z = has_zero ? Parameters(zero_points) : std::vector<float>{-0.0f};
    std::vector<float> values = x.Floats();
    for (size_t i = 0; i < values.size(); ++i) {
      const auto k = static_cast<size_t>(IndexOf(static_cast<int64_t>(i)));
      const float scale = s[s.size() == 1 ? 0 : k];
      values[i] = (reciprocal ? values[i] * scale : values[i] / scale) + z[z.size() == 1 ? 0 : k];
    }
    return values;
  }

  // The bytes of y, row-major.
  std::vector<uint8_t> Expected() {
    std::vector<uint8_t> codes;
    for (const float v : Values()) codes.push_back(Encode(v));
    if (format != Format::kInt4) return codes;
    std::vector<uint8_t> packed;
    for (size_t i = 0; i < codes.size(); i += 2) packed.push_back(static_cast<uint8_t>(codes[i] | codes[i + 1] << 4));
    return packed;
  }

  // "" if quantize gives these bytes and writes nothing else.
  std::string Check(const std::vector<uint8_t>& expected, const ExecOptions& exec) {
    y.Reset();
    if (const Status status = Quantize(Args(), exec); !status.ok()) return status.message();
    if (!y.OnlyElementsWritten()) return "bytes between or around the elements were written";
    const std::vector<uint8_t> bytes = y.Bytes();
    if (bytes == expected) return "";
    size_t i = 0;
    while (bytes[i] == expected[i]) ++i;
    const int64_t element = static_cast<int64_t>(i) * (format == Format::kInt4 ? 2 : 1), k = IndexOf(element);
    const auto number = [](float v) {
      return std::to_string(v) + " (" + std::to_string(std::bit_cast<uint32_t>(v)) + ")";
    };
    const auto parameter = [&](TestTensor& t) {
      return number(Parameters(t)[t.elements() == 1 ? 0 : static_cast<size_t>(k)]);
    };
    return std::string(Name(format)) + " of " + std::string(Name(x.dtype())) + ", element " + std::to_string(element) +
           ": " + number(x.GetFloat(element)) + (reciprocal ? " * " : " / ") + parameter(scales) +
           (has_zero ? " + " + parameter(zero_points) : "") + " gives " + std::to_string(bytes[i]) + ", expected " +
           std::to_string(expected[i]);
  }
};

inline QuantizeProblem RandomQuantize(Format format, DType dtype, Shape shape, bool any_layout, Rng& rng) {
  QuantizeProblem p;
  p.format = format;
  const DType storage = format == Format::kInt4 && OneIn(rng, 2) ? DType::kInt32
                        : !IsInteger(format) && OneIn(rng, 3)    ? DType::kUInt8
                                                                 : StorageType(format);
  const int64_t per_element = CodesPerElement(format, storage);
  shape.back() = (shape.back() + per_element - 1) / per_element * per_element;
  const auto layout = [&](Layout odd) { return any_layout && OneIn(rng, 2) ? odd : Layout::kContiguous; };
  p.x = TestTensor(dtype, shape, layout(Layout::kStridedInput), rng);
  const ValueSource values(static_cast<Values>(Uniform(rng, 0, kNumValues - 1)), dtype, rng);
  p.x.ForEach([&](int64_t i, uint8_t*) { p.x.SetFloat(i, OneIn(rng, 300) ? ValueSource::Special(rng) : values(rng)); });
  p.axis = static_cast<int>(Uniform(rng, -static_cast<int64_t>(shape.size()), static_cast<int64_t>(shape.size()) - 1));
  const int64_t n = shape[static_cast<size_t>(p.axis < 0 ? p.axis + static_cast<int>(shape.size()) : p.axis)];
  static const std::vector<DType> kZeroTypes = {DType::kInt32, DType::kFloat16, DType::kBFloat16, DType::kFloat32};
  p.scales =
      RandomParameters(PickFrom(rng, kFloats), ParameterShape(n, rng), layout(Layout::kStridedInput), false, rng);
  p.has_zero = OneIn(rng, 2);
  p.zero_points =
      RandomParameters(PickFrom(rng, kZeroTypes), ParameterShape(n, rng), layout(Layout::kStridedInput), true, rng);
  p.reciprocal = OneIn(rng, 3);
  if (format == Format::kHiFloat8) p.round_mode = static_cast<RoundMode>(Uniform(rng, 0, 2));
  p.MakeY(rng, layout(per_element > 1 ? Layout::kPacked : Layout::kStrided), storage);
  return p;
}

}  // namespace kvant::testing

#endif  // KVANT_OPS_QUANTIZE_PROBLEM_TEST_UTIL_H_
