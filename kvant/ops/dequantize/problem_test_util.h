// A dequantization with everything it needs, and its result by the formula, an element at a time.
#ifndef KVANT_OPS_DEQUANTIZE_PROBLEM_TEST_UTIL_H_
#define KVANT_OPS_DEQUANTIZE_PROBLEM_TEST_UTIL_H_

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "kvant/ops/dequantize/dequantize.h"
#include "kvant/testing/random_problem.h"
#include "kvant/testing/tensors.h"

namespace kvant::testing {

// What every code means, from exact rationals: numerics/golden.
inline float GoldenNumber(Format format, int code) {
  static const auto golden = [] {
    std::array<std::array<float, 256>, kNumFormats> table{};
    std::ifstream file(KVANT_SOURCE_DIR "/kvant/numerics/golden/decode.txt");
    for (std::string line; std::getline(file, line);) {
      std::istringstream fields(line);
      std::string name;
      unsigned code = 0, bits = 0;
      Format f{};
      if (fields >> name >> std::hex >> code >> bits && ParseFormat(name, &f)) {
        table[static_cast<size_t>(f)][code] = std::bit_cast<float>(bits);
      }
    }
    return table;
  }();
  return golden[static_cast<size_t>(format)][static_cast<size_t>(code)];
}

// Ordinary numbers, extreme ones, and any bits at all.
inline void FillParameters(TestTensor& t, Rng& rng) {
  const bool tame = OneIn(rng, 2);
  t.ForEach([&](int64_t, uint8_t* p) {
    float v = std::ldexp(Moderate(rng), static_cast<int>(Uniform(rng, -10, 2)));
    if (!tame && OneIn(rng, 4)) v = OneIn(rng, 2) ? AnyFloat(rng) : ValueSource::Special(rng);
    if (!tame && OneIn(rng, 8)) v = OneIn(rng, 2) ? 0.0f : -0.0f;
    std::memcpy(p, &v, sizeof(v));
  });
}

struct DequantizeProblem {
  Format format = Format::kInt8;
  QuantMode mode = QuantMode::kPerToken;
  int64_t group_size = 0;
  bool negate = false, has_offset = true;
  TestTensor y, scale, offset, x;

  DequantizeProblem() = default;
  // The last dimension of `shape` is rounded up to what the storage of the codes asks for.
  DequantizeProblem(Format to, DType result, Shape shape, bool any_layout, Rng& rng) : format(to) {
    DType storage = StorageType(format);
    if (format == Format::kInt4 && OneIn(rng, 2)) storage = DType::kInt32;
    if (!IsInteger(format) && OneIn(rng, 3)) storage = DType::kUInt8;
    const int64_t per_element = CodesPerElement(format, storage);
    Shape packed = shape;
    packed.back() = (shape.back() + per_element - 1) / per_element;
    shape.back() = packed.back() * per_element;
    mode = static_cast<QuantMode>(Uniform(rng, 0, shape.size() > 1 ? 2 : 1));
    if (mode == QuantMode::kPerToken && IsInteger(format) && shape.back() != 0 && OneIn(rng, 2)) {
      do {
        group_size = Uniform(rng, 1, shape.back());
      } while (shape.back() % group_size != 0 || (format == Format::kInt4 && group_size % 2 != 0));
    }
    has_offset = OneIn(rng, 2);
    negate = has_offset && OneIn(rng, 2);
    const auto layout = [&](Layout odd) { return any_layout && OneIn(rng, 2) ? odd : Layout::kContiguous; };
    y = TestTensor(storage, packed, layout(per_element > 1 ? Layout::kPacked : Layout::kStridedInput), rng);
    scale = TestTensor(DType::kFloat32, ParameterShape(shape), layout(Layout::kStridedInput), rng);
    offset = TestTensor(DType::kFloat32, ParameterShape(shape), layout(Layout::kStridedInput), rng);
    x = TestTensor(result, shape, layout(Layout::kStrided), rng);
    FillParameters(scale, rng);
    FillParameters(offset, rng);
  }

  Shape ParameterShape(Shape shape) const {
    if (mode == QuantMode::kPerTensor) return {1};
    if (mode == QuantMode::kPerChannel) {
      shape.erase(shape.end() - 2);
    } else if (group_size != 0) {
      shape.back() /= group_size;
    } else {
      shape.pop_back();
    }
    return shape;
  }

  DequantizeArgs Args() {
    DequantizeArgs args;
    args.y = y.view();
    args.scale = scale.view();
    if (has_offset) args.offset = offset.view();
    args.dst_type = format;
    args.quant_mode = mode;
    args.group_size = group_size;
    args.negate_offset = negate;
    args.x = x.view();
    return args;
  }

  // The element of scale and offset that belongs to element i of x.
  int64_t ParameterOf(int64_t i) const {
    const int64_t h = x.shape().back();
    switch (mode) {
      case QuantMode::kPerTensor:
        return 0;
      case QuantMode::kPerChannel:
        return i / h / x.shape()[x.shape().size() - 2] * h + i % h;
      case QuantMode::kPerToken:
        break;
    }
    return i / (group_size == 0 ? h : group_size);
  }

  int CodeOf(int64_t i) {
    const int64_t per_element = CodesPerElement(format, y.dtype());
    if (per_element == 1) return *y.At(i);
    const uint8_t byte = y.At(i / per_element)[i % per_element / 2];
    return i % 2 == 0 ? byte & 15 : byte >> 4;
  }

  // The bytes of x, row-major. To be called in the default floating-point state.
  std::vector<uint8_t> Expected() {
    TestTensor result(x.dtype(), x.shape(), Layout::kContiguous, unused_);
    const std::vector<float> scales = scale.Floats(), offsets = has_offset ? offset.Floats() : std::vector<float>();
    for (int64_t i = 0; i < x.elements(); ++i) {
      const auto k = static_cast<size_t>(ParameterOf(i));
      float v = GoldenNumber(format, CodeOf(i));
      if (has_offset) v = negate ? v + offsets[k] : v - offsets[k];
      v *= scales[k];
      result.SetFloat(i, std::isnan(v) ? std::bit_cast<float>(0x7FC00000) : v);
    }
    return result.Bytes();
  }

  // "" if dequantize gives these bytes and writes nothing else.
  std::string Check(const std::vector<uint8_t>& expected, const ExecOptions& exec) {
    x.Reset();
    if (const Status status = Dequantize(Args(), exec); !status.ok()) return status.message();
    if (!x.OnlyElementsWritten()) return "bytes between or around the elements were written";
    const std::vector<uint8_t> bytes = x.Bytes();
    if (bytes == expected) return "";
    const auto element = static_cast<size_t>(ByteSize(x.dtype()));
    size_t i = 0;
    while (std::memcmp(&bytes[i * element], &expected[i * element], element) == 0) ++i;
    const auto word = [&](const std::vector<uint8_t>& from) {
      uint32_t bits = 0;
      std::memcpy(&bits, &from[i * element], element);
      std::ostringstream text;
      text << std::hex << bits;
      return text.str();
    };
    const auto k = ParameterOf(static_cast<int64_t>(i));
    return std::string(Name(format)) + " to " + std::string(Name(x.dtype())) + ", " + std::string(Name(mode)) +
           ", element " + std::to_string(i) + ": code " + std::to_string(CodeOf(static_cast<int64_t>(i))) + ", scale " +
           std::to_string(scale.Get<float>(k)) +
           (has_offset ? ", offset " + std::to_string(offset.Get<float>(k)) : "") + " gives 0x" + word(bytes) +
           ", expected 0x" + word(expected);
  }

 private:
  Rng unused_{0};
};

}  // namespace kvant::testing

#endif  // KVANT_OPS_DEQUANTIZE_PROBLEM_TEST_UTIL_H_
