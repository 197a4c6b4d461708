// A row-wise problem with its tensors, and what dynamic_quant, its parts and their compositions have to make of it: the
// formulas, an element at a time, over the whole tensor at once. Shares nothing with kvant/rowwise, numerics and
// formats but names and types.
#ifndef KVANT_TESTING_ROWWISE_PROBLEM_H_
#define KVANT_TESTING_ROWWISE_PROBLEM_H_

#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <sstream>
#include <string>

#include "kvant/ops/dynamic_quant/dynamic_quant.h"
#include "kvant/ops/quantize_with_params/quantize_with_params.h"
#include "kvant/ops/row_stats/row_stats.h"
#include "kvant/testing/format_oracle.h"
#include "kvant/testing/tensors.h"

namespace kvant::testing {

// What is known of one set of elements that share a scale.
struct Statistics {
  float min = std::numeric_limits<float>::infinity();
  float max = -std::numeric_limits<float>::infinity();
  float amax = 0;
  int64_t count = 0;

  void Add(float v) {
    const auto less = [](float a, float b) { return a < b || (a == b && std::signbit(a) && !std::signbit(b)); };
    ++count;
    if (std::isnan(v) || std::isnan(amax)) {
      min = max = amax = std::numeric_limits<float>::quiet_NaN();
      return;
    }
    if (less(v, min)) min = v;
    if (less(max, v)) max = v;
    if (amax < std::fabs(v)) amax = std::fabs(v);
  }
};

struct ScaleAndOffset {
  float scale = 0, offset = 0;
};

inline uint32_t BitsOf(float v) { return std::isnan(v) ? 0x7FC00000u : std::bit_cast<uint32_t>(v); }

inline ScaleAndOffset ParamsByDefinition(const Statistics& s, bool symmetric, Format format, double dst_type_max) {
  const float d = LargestByDefinition(format, dst_type_max), r = RangeByDefinition(format, dst_type_max);
  if (symmetric) return {s.amax / d, 0};
  const float min = s.count == 0 ? 0 : s.min, max = s.count == 0 ? 0 : s.max;
  const float t = (max - min) / r;
  const float scale = t < 1e-12f ? 1e-12f : t;
  return {scale, d - max / scale};
}

struct RowwiseProblem {
  Format format = Format::kInt8;
  bool symmetric = false;
  QuantMode mode = QuantMode::kPerToken;
  int64_t group_size = 0;
  double dst_type_max = 0;
  TestTensor x, y, scale;
  std::optional<TestTensor> offset, smooth, group_index;

  // Makes y, scale and offset for the x that is there. `storage` is the dtype of y; packed formats ignore y_layout.
  void MakeOutputs(DType storage, Layout y_layout, Layout param_layout, Rng& rng) {
    const int64_t packed = CodesPerElement(format, storage);
    Shape codes = x.shape();
    codes.back() /= packed;
    if (packed > 1 && y_layout != Layout::kContiguous) y_layout = Layout::kPacked;
    y = TestTensor(storage, codes, y_layout, rng);
    scale = TestTensor(DType::kFloat32, ParamShape(), param_layout, rng);
    offset.reset();
    if (!symmetric) offset.emplace(DType::kFloat32, ParamShape(), param_layout, rng);
  }
  void MakeOutputs(Rng& rng) { MakeOutputs(StorageType(format), Layout::kContiguous, Layout::kContiguous, rng); }

  Shape ParamShape() const {
    if (mode == QuantMode::kPerTensor) return {1};
    Shape shape = x.shape();
    if (mode == QuantMode::kPerChannel) {
      shape.erase(shape.end() - 2);
    } else {
      const int64_t h = shape.back();
      shape.pop_back();
      if (group_size != 0) shape.push_back(h / group_size);
    }
    return shape;
  }
  int64_t params() const {
    const Shape shape = ParamShape();
    return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  }

  // Which parameter element i of x has, and which smooth scale.
  int64_t ParamOf(int64_t i) const {
    const int64_t h = x.shape().back();
    if (mode == QuantMode::kPerTensor) return 0;
    if (mode == QuantMode::kPerChannel) return i / h / x.shape()[x.shape().size() - 2] * h + i % h;
    return i / (group_size == 0 ? h : group_size);
  }
  int64_t SmoothOf(int64_t i, const std::vector<int64_t>& ends) const {
    const int64_t h = x.shape().back();
    if (mode == QuantMode::kPerChannel) return i / h % x.shape()[x.shape().size() - 2];
    int64_t expert = 0;
    while (!ends.empty() && ends[static_cast<size_t>(expert)] <= i / h) ++expert;
    return expert * h + i % h;
  }

  // x' of all elements.
  std::vector<float> Mapped() {
    std::vector<float> v = x.Floats();
    if (!smooth) return v;
    const std::vector<float> factors = smooth->Floats();
    std::vector<int64_t> ends;
    if (group_index) {
      const bool wide = group_index->dtype() == DType::kInt64;
      for (int64_t i = 0; i < group_index->elements(); ++i) {
        ends.push_back(wide ? group_index->Get<int64_t>(i) : group_index->Get<int32_t>(i));
      }
    }
    for (size_t i = 0; i < v.size(); ++i) {
      v[i] *= factors[static_cast<size_t>(SmoothOf(static_cast<int64_t>(i), ends))];
    }
    return v;
  }

  std::vector<Statistics> Measured(const std::vector<float>& mapped) const {
    std::vector<Statistics> sets(static_cast<size_t>(params()));
    for (size_t i = 0; i < mapped.size(); ++i) {
      sets[static_cast<size_t>(ParamOf(static_cast<int64_t>(i)))].Add(mapped[i]);
    }
    return sets;
  }

  // What the operators have to give: statistics, parameters, and one code per byte.
  struct Expected {
    std::vector<Statistics> statistics;
    std::vector<ScaleAndOffset> params;
    std::vector<uint8_t> codes;
  };
  Expected Expect() {
    Expected e;
    const std::vector<float> mapped = Mapped();
    e.statistics = Measured(mapped);
    for (const Statistics& s : e.statistics) {
      e.params.push_back(ParamsByDefinition(s, symmetric, format, dst_type_max));
    }
    e.codes = CodesFor(mapped, e.params);
    return e;
  }
  std::vector<uint8_t> CodesFor(const std::vector<float>& mapped, const std::vector<ScaleAndOffset>& with) const {
    std::vector<uint8_t> codes(mapped.size());
    for (size_t i = 0; i < mapped.size(); ++i) {
      const ScaleAndOffset& p = with[static_cast<size_t>(ParamOf(static_cast<int64_t>(i)))];
      const float quotient = mapped[i] / p.scale;
      const bool nothing = symmetric && p.scale == 0;
      codes[i] = nothing ? 0 : EncodeByDefinition(format, symmetric ? quotient : quotient + p.offset);
    }
    return codes;
  }

  // The codes in y, one per byte.
  std::vector<uint8_t> Codes() {
    std::vector<uint8_t> bytes = y.Bytes();
    if (format != Format::kInt4) return bytes;
    std::vector<uint8_t> codes;
    codes.reserve(2 * bytes.size());
    for (const uint8_t byte : bytes) {
      codes.push_back(byte & 15);
      codes.push_back(byte >> 4);
    }
    return codes;
  }

  // The first difference between the results and what is expected, or "".
  std::string CompareCodes(const std::vector<uint8_t>& expected) {
    const std::vector<uint8_t> codes = Codes();
    for (size_t i = 0; i < codes.size(); ++i) {
      if (codes[i] != expected[i]) {
        const auto at = static_cast<int64_t>(i);
        std::ostringstream text;
        text << Describe() << ": code " << i << " of x = " << std::hexfloat << x.GetFloat(at) << " is " << std::hex
             << int{codes[i]} << ", expected " << int{expected[i]} << "; scale " << std::hexfloat
             << scale.Get<float>(ParamOf(at)) << " offset " << (offset ? offset->Get<float>(ParamOf(at)) : 0);
        return text.str();
      }
    }
    return "";
  }
  std::string CompareParams(const std::vector<ScaleAndOffset>& expected) {
    for (size_t i = 0; i < expected.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      std::string text = CompareBits("scale", at, scale.Get<uint32_t>(at), expected[i].scale);
      if (text.empty() && offset) text = CompareBits("offset", at, offset->Get<uint32_t>(at), expected[i].offset);
      if (!text.empty()) return text;
    }
    return "";
  }
  std::string CompareBits(std::string_view name, int64_t at, uint32_t bits, float expected) const {
    if (bits == BitsOf(expected)) return "";
    std::ostringstream text;
    text << Describe() << ": " << name << " " << at << " is " << std::hex << bits << ", expected " << BitsOf(expected)
         << " = " << std::hexfloat << expected;
    return text.str();
  }
  std::string Compare(const Expected& e) {
    std::string text = CompareParams(e.params);
    return text.empty() ? CompareCodes(e.codes) : text;
  }

  void Reset() {
    y.Reset();
    scale.Reset();
    if (offset) offset->Reset();
  }
  // Guard bands and gaps of results are as they were, and everything of inputs.
  bool NothingElseWritten() {
    return y.OnlyElementsWritten() && scale.OnlyElementsWritten() && (!offset || offset->OnlyElementsWritten()) &&
           InputsUntouched();
  }
  bool NothingWritten() const {
    return y.Untouched() && scale.Untouched() && (!offset || offset->Untouched()) && InputsUntouched();
  }
  bool InputsUntouched() const {
    return x.Untouched() && (!smooth || smooth->Untouched()) && (!group_index || group_index->Untouched());
  }

  static TensorView ViewOf(std::optional<TestTensor>& t) { return t ? t->view() : TensorView(); }
  DynamicQuantArgs DynamicArgs() {
    DynamicQuantArgs a;
    a.x = x.view();
    a.smooth_scales = ViewOf(smooth);
    a.group_index = ViewOf(group_index);
    a.dst_type = format;
    a.symmetric = symmetric;
    a.quant_mode = mode;
    a.group_size = group_size;
    a.dst_type_max = dst_type_max;
    a.y = y.view();
    a.scale = scale.view();
    a.offset = ViewOf(offset);
    return a;
  }
  RowStatsArgs StatsArgs() {
    RowStatsArgs a;
    a.x = x.view();
    a.smooth_scales = ViewOf(smooth);
    a.group_index = ViewOf(group_index);
    a.quant_mode = mode;
    a.group_size = group_size;
    return a;
  }
  QuantizeWithParamsArgs QuantizeArgs() {
    QuantizeWithParamsArgs a;
    a.x = x.view();
    a.scale = scale.view();
    a.offset = ViewOf(offset);
    a.smooth_scales = ViewOf(smooth);
    a.group_index = ViewOf(group_index);
    a.dst_type = format;
    a.quant_mode = mode;
    a.group_size = group_size;
    a.y = y.view();
    return a;
  }

  std::string Describe() const {
    std::ostringstream text;
    text << Name(x.dtype()) << " [";
    for (size_t d = 0; d < x.shape().size(); ++d) {
      text << (d == 0 ? "" : ", ") << x.shape()[d] << " by " << x.strides()[d];
    }
    text << "] to " << Name(format) << " in " << Name(y.dtype()) << (symmetric ? " symmetric " : " asymmetric ")
         << Name(mode);
    if (group_size != 0) text << " group_size " << group_size;
    if (dst_type_max != 0) text << " dst_type_max " << dst_type_max;
    if (smooth) text << " smooth " << Name(smooth->dtype());
    if (group_index) text << " experts " << group_index->elements() << " " << Name(group_index->dtype());
    return text.str();
  }
};

}  // namespace kvant::testing

#endif  // KVANT_TESTING_ROWWISE_PROBLEM_H_
