// Random problems of dequant_swiglu_quant: any dtypes, shapes of tables, groups, layouts and values.
#ifndef KVANT_OPS_DEQUANT_SWIGLU_QUANT_PROBLEM_TEST_UTIL_H_
#define KVANT_OPS_DEQUANT_SWIGLU_QUANT_PROBLEM_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "kvant/ops/dequant_swiglu_quant/dequant_swiglu_quant.h"
#include "kvant/testing/random_problem.h"

namespace kvant::testing {

struct SwigluProblem {
  DequantSwigluQuantArgs attributes;  // without tensors
  TestTensor x, y, scale;
  std::optional<TestTensor> weight, activation, bias, quant_scale, quant_offset, groups;

  DequantSwigluQuantArgs Args() {
    DequantSwigluQuantArgs args = attributes;
    const auto view = [](std::optional<TestTensor>& t) { return t ? ConstTensorView(t->view()) : ConstTensorView(); };
    args.x = x.view();
    args.weight_scale = view(weight);
    args.activation_scale = view(activation);
    args.bias = view(bias);
    args.quant_scale = view(quant_scale);
    args.quant_offset = view(quant_offset);
    args.group_index = view(groups);
    args.y = y.view();
    args.scale = scale.view();
    return args;
  }

  // Codes, then scales, of contiguous copies of everything, by one thread.
  std::vector<uint8_t> Plain(Rng& rng) {
    SwigluProblem plain;
    plain.attributes = attributes;
    const auto copy = [&rng](TestTensor& from) {
      TestTensor to(from.dtype(), from.shape(), rng);
      to.SetBytes(from.Bytes());
      return to;
    };
    plain.x = copy(x);
    plain.y = copy(y);
    plain.scale = copy(scale);
    const auto copy_if = [&](std::optional<TestTensor>& from, std::optional<TestTensor>& to) {
      if (from) to = copy(*from);
    };
    copy_if(weight, plain.weight);
    copy_if(activation, plain.activation);
    copy_if(bias, plain.bias);
    copy_if(quant_scale, plain.quant_scale);
    copy_if(quant_offset, plain.quant_offset);
    copy_if(groups, plain.groups);
    ExecOptions exec;
    exec.parallel = &SerialFor();
    const Status status = DequantSwigluQuant(plain.Args(), exec);
    EXPECT_TRUE(status.ok()) << status.message();
    return plain.Results();
  }
  std::vector<uint8_t> Results() {
    std::vector<uint8_t> bytes = y.Bytes();
    const std::vector<uint8_t> scales = scale.Bytes();
    bytes.insert(bytes.end(), scales.begin(), scales.end());
    return bytes;
  }

  // "" if the call gives these bytes and writes nothing else.
  std::string Check(const std::vector<uint8_t>& expected, const ExecOptions& exec) {
    y.Reset();
    scale.Reset();
    if (const Status status = DequantSwigluQuant(Args(), exec); !status.ok()) return status.message();
    if (const std::vector<uint8_t> got = Results(); got != expected) {
      size_t i = 0;
      while (got[i] == expected[i]) ++i;
      const auto codes = static_cast<size_t>(y.elements());
      return (i < codes ? "code " + std::to_string(i) : "byte " + std::to_string(i - codes) + " of the scales") +
             " is " + std::to_string(got[i]) + ", expected " + std::to_string(expected[i]) + ": " + What();
    }
    if (!y.OnlyElementsWritten() || !scale.OnlyElementsWritten()) return "memory around a result was written";
    for (const auto* t : {&weight, &activation, &bias, &quant_scale, &quant_offset, &groups}) {
      if (*t && !(*t)->Untouched()) return "an input was written";
    }
    return x.Untouched() ? "" : "x was written";
  }
  std::string What() const {
    return std::string(Name(attributes.dst_type)) + ", mode " +
           std::to_string(static_cast<int>(attributes.swiglu_mode)) +
           (attributes.quant_mode == ScaleSource::kDynamic ? " dynamic" : " static") + ", x " +
           std::string(Name(x.dtype())) + " of " + std::to_string(x.elements()) + " elements, rows of " +
           std::to_string(x.shape().back()) + (groups ? ", groups" : "") + (bias ? ", bias" : "");
  }
  int64_t rows() const { return scale.elements(); }
};

// Numbers mostly of ordinary size, some of them anything.
inline void FillTable(TestTensor& t, float size, Rng& rng) {
  const int kind = static_cast<int>(Uniform(rng, 0, 9));
  t.ForEach([&](int64_t i, uint8_t*) {
    float v = (std::fabs(Moderate(rng)) + 0.0625f) * size;
    if (kind == 0 && OneIn(rng, 4)) v = AnyFloat(rng);
    if (kind == 1) v = std::ldexp(v, static_cast<int>(Uniform(rng, -140, 40)));
    if (kind == 2 && OneIn(rng, 3)) v = 0;
    if (kind == 3) v *= 0x1p-60f;
    t.SetFloat(i, OneIn(rng, 20) ? -v : v);
  });
  t.Keep();
}

inline void FillSwigluX(TestTensor& x, Rng& rng) {
  const int64_t columns = x.shape().back();
  if (x.dtype() == DType::kInt32) {
    const int bits = static_cast<int>(Uniform(rng, 1, 31));
    x.ForEach([&](int64_t i, uint8_t*) { x.Set(i, OneIn(rng, 9) ? 0 : static_cast<int32_t>(rng()) >> (32 - bits)); });
  } else {
    std::optional<ValueSource> source;
    x.ForEach([&](int64_t i, uint8_t*) {
      if (i % std::max<int64_t>(columns, 1) == 0) {
        source.emplace(static_cast<Values>(Uniform(rng, 0, kNumValues - 1)), x.dtype(), rng);
      }
      const float v = OneIn(rng, 6) ? Moderate(rng) * 30 : (*source)(rng);
      x.SetFloat(i, OneIn(rng, 500) ? ValueSource::Special(rng) : v);
    });
  }
  x.Keep();
}

// Counts of groups whose sum is at most `rows`, or pairs of a parameter row and a count.
inline TestTensor RandomCounts(int64_t groups, int64_t parameter_rows, bool pairs, int64_t rows, Layout layout,
                               Rng& rng) {
  const DType dtype = OneIn(rng, 2) ? DType::kInt64 : DType::kInt32;
  TestTensor t(dtype, pairs ? Shape{groups, 2} : Shape{groups}, layout, rng);
  int64_t left = rows;
  for (int64_t i = 0; i < groups; ++i) {
    const int64_t count = OneIn(rng, 2) ? 0 : i + 1 == groups && OneIn(rng, 2) ? left : Uniform(rng, 0, left);
    left -= count;
    const auto put = [&](int64_t at, int64_t v) {
      dtype == DType::kInt64 ? t.Set(at, v) : t.Set(at, static_cast<int32_t>(v));
    };
    if (pairs) put(2 * i, Uniform(rng, 0, parameter_rows - 1));
    put(pairs ? 2 * i + 1 : i, count);
  }
  t.Keep();
  return t;
}

// `odd`: layouts too.
inline SwigluProblem RandomSwiglu(DType x_dtype, Format format, const Shape& lead, int64_t h, bool odd, Rng& rng) {
  SwigluProblem p;
  const auto layout = [&](Layout l) { return odd && OneIn(rng, 2) ? l : Layout::kContiguous; };
  DequantSwigluQuantArgs& a = p.attributes;
  a.dst_type = format;
  a.quant_mode = OneIn(rng, 2) ? ScaleSource::kDynamic : ScaleSource::kStatic;
  a.swiglu_mode = static_cast<SwigluMode>(Uniform(rng, 0, 2));
  a.activate_left = OneIn(rng, 2);
  if (a.swiglu_mode != SwigluMode::kSwish && OneIn(rng, 2)) {
    a.clamp_limit = OneIn(rng, 9) ? 1e-36 : 0.5 + std::fabs(Moderate(rng));
    a.glu_alpha = OneIn(rng, 9) ? 1e-40 : OneIn(rng, 9) ? -1e30 : Moderate(rng);
    a.glu_bias = OneIn(rng, 3) ? 0 : OneIn(rng, 9) ? 1e-35 : Moderate(rng);
  }
  int64_t rows = 1;
  for (const int64_t extent : lead) rows *= extent;
  Shape x_shape = lead, y_shape = lead;
  x_shape.push_back(2 * h);
  y_shape.push_back(h);
  p.x = TestTensor(x_dtype, x_shape, layout(Layout::kStridedInput), rng);
  FillSwigluX(p.x, rng);
  const DType storage = format != Format::kInt8 && OneIn(rng, 3) ? DType::kUInt8 : StorageType(format);
  p.y = TestTensor(storage, y_shape, layout(Layout::kStrided), rng);
  p.scale = TestTensor(DType::kFloat32, lead, layout(Layout::kStrided), rng);

  const int grouping = static_cast<int>(Uniform(rng, 0, 2));
  const int64_t parameter_rows = grouping == 0 ? 1 : Uniform(rng, 1, 5);
  const auto table = [&](DType dtype, int64_t columns) {
    const Shape shape = grouping != 0 && OneIn(rng, 2) ? Shape{parameter_rows, columns}
                        : OneIn(rng, 2)                ? Shape{1, columns}
                                                       : Shape{columns};
    return TestTensor(dtype, shape, layout(Layout::kStridedInput), rng);
  };
  if (x_dtype == DType::kInt32) {
    if (OneIn(rng, 4) == 0) {
      p.weight = table(DType::kFloat32, 2 * h);
      FillTable(*p.weight, OneIn(rng, 3) ? 1e-8f : 0.01f, rng);
    }
    if (OneIn(rng, 2)) {
      p.activation =
          TestTensor(DType::kFloat32, OneIn(rng, 2) ? lead : Shape{rows, 1}, layout(Layout::kStridedInput), rng);
      FillTable(*p.activation, 1, rng);
    }
    if (p.weight && p.activation && OneIn(rng, 6)) {
      // Products with weights around the smallest normal number, which the activation scales make ordinary again.
      const auto fill = [&](TestTensor& t, int least, int most) {
        t.ForEach([&](int64_t i, uint8_t*) {
          t.SetFloat(i, std::ldexp(1 + std::fabs(Moderate(rng)), static_cast<int>(Uniform(rng, least, most))));
        });
        t.Keep();
      };
      fill(*p.weight, OneIn(rng, 2) ? -149 : -128, -120);
      fill(*p.activation, 90, 126);
    }
    const int bias = static_cast<int>(Uniform(rng, 0, 3));
    if (bias == 1) {
      p.bias = table(DType::kInt32, 2 * h);
      p.bias->ForEach([&](int64_t i, uint8_t*) { p.bias->Set(i, static_cast<int32_t>(rng())); });
      p.bias->Keep();
    } else if (bias == 2) {
      p.bias = table(PickFrom(rng, kFloats), 2 * h);
      FillTable(*p.bias, 1, rng);
    }
  }
  const auto quant_table = [&](float size) {
    const DType dtype = PickFrom(rng, kFloats);
    TestTensor t = table(dtype, h);
    if (OneIn(rng, 3)) {
      const Shape one = {1}, each = {parameter_rows, 1};
      t = TestTensor(dtype, OneIn(rng, 2) ? one : each, layout(Layout::kStridedInput), rng);
    }
    FillTable(t, size, rng);
    return t;
  };
  if (OneIn(rng, 3) == 0) p.quant_scale = quant_table(a.quant_mode == ScaleSource::kDynamic ? 1 : 0.05f);
  if (OneIn(rng, 2) && a.quant_mode == ScaleSource::kStatic) p.quant_offset = quant_table(5);
  if (grouping != 0) {
    // Pairs name the rows that two-dimensional tables have.
    int64_t most = 1;
    for (const auto* t : {&p.weight, &p.bias, &p.quant_scale, &p.quant_offset}) {
      if (*t && (*t)->shape().size() == 2) most = std::max(most, (*t)->shape()[0]);
    }
    const bool pairs = grouping == 2;
    p.groups = RandomCounts(pairs ? Uniform(rng, 0, 6) : parameter_rows, most, pairs, rows,
                            odd && OneIn(rng, 2) ? Layout::kStrided : Layout::kContiguous, rng);
  }
  return p;
}

// A few rows of any width and layout.
inline SwigluProblem SmallSwiglu(DType x_dtype, Format format, Rng& rng) {
  static const std::vector<int64_t> kWidths = {1, 2, 3, 4, 15, 16, 17, 31, 64, 65, 127, 200, 300, 1024};
  Shape lead;
  for (int64_t d = Uniform(rng, 0, 3); d > 0; --d) lead.push_back(OneIn(rng, 40) ? 0 : Uniform(rng, 1, 5));
  const int64_t h = PickFrom(rng, kWidths);
  return RandomSwiglu(x_dtype, format, lead, h, OneIn(rng, 2), rng);
}

// Mode 0 and dynamic, with weights alone.
inline void MakePlain(SwigluProblem& p, Rng& rng, int64_t parameter_rows = 1) {
  p.weight = TestTensor(DType::kFloat32, {parameter_rows, p.x.shape().back()}, rng);
  FillTable(*p.weight, 0.01f, rng);
  p.bias.reset();
  p.quant_scale.reset();
  p.quant_offset.reset();
  p.groups.reset();
  DequantSwigluQuantArgs attributes;
  attributes.dst_type = p.attributes.dst_type;
  attributes.activate_left = p.attributes.activate_left;
  attributes.quant_mode = ScaleSource::kDynamic;
  p.attributes = attributes;
}

}  // namespace kvant::testing

#endif  // KVANT_OPS_DEQUANT_SWIGLU_QUANT_PROBLEM_TEST_UTIL_H_
