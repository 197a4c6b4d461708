// A quantization with a scatter behind it, and its result by the two operators one after the other.
#ifndef KVANT_OPS_QUANT_SCATTER_PROBLEM_TEST_UTIL_H_
#define KVANT_OPS_QUANT_SCATTER_PROBLEM_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kvant/ops/quant_scatter/quant_scatter.h"
#include "kvant/ops/quantize/problem_test_util.h"
#include "kvant/ops/scatter_update/scatter_update.h"
#include "kvant/testing/scatter_problem.h"

namespace kvant::testing {

struct QuantScatterProblem : ScatterProblem {
  Format format = Format::kInt8;
  bool reciprocal = false, has_zero = false;
  RoundMode round_mode = RoundMode::kRint;
  TestTensor scales, zero_points;

  QuantScatterInPlaceArgs InPlaceArgs() {
    QuantScatterInPlaceArgs args;
    args.self = self.view();
    args.indices = indices.view();
    args.updates = updates.view();
    args.quant_scales = scales.view();
    if (has_zero) args.quant_zero_points = zero_points.view();
    args.dst_type = format;
    args.axis = axis;
    args.reciprocal_scale = reciprocal;
    args.round_mode = round_mode;
    args.index_mode = mode;
    args.index_policy = policy;
    return args;
  }
  QuantScatterArgs Args(TestTensor& out) {
    const QuantScatterInPlaceArgs a = InPlaceArgs();
    QuantScatterArgs args;
    args.self = a.self;
    args.indices = a.indices;
    args.updates = a.updates;
    args.quant_scales = a.quant_scales;
    args.quant_zero_points = a.quant_zero_points;
    args.dst_type = a.dst_type;
    args.axis = a.axis;
    args.reciprocal_scale = a.reciprocal_scale;
    args.round_mode = a.round_mode;
    args.index_mode = a.index_mode;
    args.index_policy = a.index_policy;
    args.out = out.view();
    return args;
  }

  // The bytes of self after Quantize and ScatterUpdateInPlace.
  std::vector<uint8_t> Unfused(Rng& rng) {
    TestTensor codes(self.dtype(), updates.shape(), rng);
    QuantizeArgs quantize;
    quantize.x = updates.view();
    quantize.quant_scales = scales.view();
    if (has_zero) quantize.quant_zero_points = zero_points.view();
    quantize.dst_type = format;
    quantize.reciprocal_scale = reciprocal;
    quantize.round_mode = round_mode;
    quantize.y = codes.view();
    EXPECT_TRUE(Quantize(quantize).ok());
    EXPECT_TRUE(ScatterUpdateInPlace({self.view(), indices.view(), codes.view(), axis, mode, policy}).ok());
    std::vector<uint8_t> bytes = self.Bytes();
    self.Reset();
    EXPECT_EQ(bytes, Expected(self.Bytes(), codes.Bytes()));
    return bytes;
  }

  // "" if the call gives these bytes in self and writes nothing else.
  std::string CheckInPlace(const std::vector<uint8_t>& expected, const ExecOptions& exec) {
    self.Reset();
    if (const Status status = QuantScatterInPlace(InPlaceArgs(), exec); !status.ok()) return status.message();
    if (const std::vector<uint8_t> bytes = self.Bytes(); bytes != expected) {
      size_t i = 0;
      while (bytes[i] == expected[i]) ++i;
      return "byte " + std::to_string(i) + " is " + std::to_string(bytes[i]) + ", expected " +
             std::to_string(expected[i]) + ": " + What();
    }
    if (!self.OnlyElementsWritten()) return "bytes between or around the elements were written: " + What();
    return InputsUntouched() ? "" : "an input was written: " + What();
  }
  std::string CheckFunctional(const std::vector<uint8_t>& expected, TestTensor& out, const ExecOptions& exec) {
    self.Reset();
    out.Reset();
    if (const Status status = QuantScatter(Args(out), exec); !status.ok()) return status.message();
    if (out.Bytes() != expected) return "out has other bytes: " + What();
    if (!out.OnlyElementsWritten()) return "bytes between or around the elements of out were written: " + What();
    return self.Untouched() && InputsUntouched() ? "" : "an input was written: " + What();
  }
  bool InputsUntouched() const {
    return indices.Untouched() && updates.Untouched() && scales.Untouched() && zero_points.Untouched();
  }
  std::string What() const {
    return std::string(Name(format)) + (reciprocal ? " times " : " by ") + std::to_string(scales.elements()) + " " +
           Describe();
  }
};

inline void FillAttributes(QuantScatterProblem& p, bool any_layout, Rng& rng) {
  static const std::vector<DType> kZeroTypes = {DType::kInt32, DType::kFloat16, DType::kBFloat16, DType::kFloat32};
  const auto layout = [&] { return any_layout && OneIn(rng, 2) ? Layout::kStridedInput : Layout::kContiguous; };
  const int64_t columns = p.updates.shape().back();
  const ValueSource values(static_cast<Values>(Uniform(rng, 0, kNumValues - 1)), p.updates.dtype(), rng);
  p.updates.ForEach(
      [&](int64_t i, uint8_t*) { p.updates.SetFloat(i, OneIn(rng, 300) ? ValueSource::Special(rng) : values(rng)); });
  p.updates.Keep();
  p.scales = RandomParameters(PickFrom(rng, kFloats), ParameterShape(columns, rng), layout(), false, rng);
  p.zero_points = RandomParameters(PickFrom(rng, kZeroTypes), ParameterShape(columns, rng), layout(), true, rng);
  p.scales.Keep();
  p.zero_points.Keep();
  p.has_zero = OneIn(rng, 2);
  p.reciprocal = OneIn(rng, 3);
  if (p.format == Format::kHiFloat8) p.round_mode = static_cast<RoundMode>(Uniform(rng, 0, 2));
}

}  // namespace kvant::testing

#endif  // KVANT_OPS_QUANT_SCATTER_PROBLEM_TEST_UTIL_H_
