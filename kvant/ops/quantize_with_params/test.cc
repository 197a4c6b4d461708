#include "kvant/ops/quantize_with_params/quantize_with_params.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kvant/numerics/test_util.h"
#include "kvant/testing/fp_state.h"
#include "kvant/testing/pools.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace {

using testing::kFloats;
using testing::kFormats;
using testing::kModes;
using testing::Layout;
using testing::OneIn;
using testing::PickFrom;
using testing::Rng;
using testing::RowwiseProblem;
using testing::ScaleAndOffset;
using testing::ScopedTarget;
using testing::Shape;
using testing::TestTensor;
using testing::ThreadPool;
using testing::Uniform;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// Gives the problem these parameters, in tensors of a layout.
void SetParams(RowwiseProblem& p, const std::vector<ScaleAndOffset>& params, Layout layout, Rng& rng) {
  p.scale = TestTensor(DType::kFloat32, p.ParamShape(), layout, rng);
  p.offset.reset();
  if (!p.symmetric) p.offset.emplace(DType::kFloat32, p.ParamShape(), layout, rng);
  for (size_t i = 0; i < params.size(); ++i) {
    p.scale.Set(static_cast<int64_t>(i), params[i].scale);
    if (p.offset) p.offset->Set(static_cast<int64_t>(i), params[i].offset);
  }
  p.scale.Keep();
  if (p.offset) p.offset->Keep();
}

// What the tensors hold: strides of 0 keep the last value of many.
std::vector<ScaleAndOffset> ParamsIn(RowwiseProblem& p) {
  std::vector<ScaleAndOffset> params;
  for (int64_t i = 0; i < p.params(); ++i) {
    params.push_back({p.scale.Get<float>(i), p.offset ? p.offset->Get<float>(i) : 0});
  }
  return params;
}

std::string Check(RowwiseProblem& p, const std::vector<uint8_t>& expected, const ExecOptions& exec = {}) {
  for (const Target target : SupportedTargets()) {
    const ScopedTarget scoped(target);
    p.y.Reset();
    const Status status = QuantizeWithParams(p.QuantizeArgs(), exec);
    std::string text = status.ok() ? p.CompareCodes(expected) : status.message();
    const bool inputs = p.InputsUntouched() && p.scale.Untouched() && (!p.offset || p.offset->Untouched());
    if (text.empty() && !(inputs && p.y.OnlyElementsWritten())) text = p.Describe() + ": more than y was written";
    if (!text.empty()) return std::string(Name(target)) + ": " + text;
  }
  return "";
}
std::string Check(RowwiseProblem& p, const ExecOptions& exec = {}) {
  return Check(p, p.CodesFor(p.Mapped(), ParamsIn(p)), exec);
}

// From what dynamic_quant would choose to bits without meaning.
ScaleAndOffset RandomParams(const ScaleAndOffset& own, Rng& rng) {
  switch (Uniform(rng, 0, 6)) {
    case 0:
      return own;
    case 1:  // codes run out of range on one side, or on both
      return {own.scale * (0.25f + std::fabs(testing::Moderate(rng))), own.offset + 4 * testing::Moderate(rng)};
    case 2:
      return {std::ldexp(testing::Moderate(rng), static_cast<int>(Uniform(rng, -140, 120))),
              testing::Moderate(rng) * 100};
    case 3:
      return {own.scale, std::ldexp(testing::Moderate(rng), static_cast<int>(Uniform(rng, -140, 120)))};
    case 4:
      return {OneIn(rng, 2) ? 0.0f : -0.0f, OneIn(rng, 2) ? own.offset : testing::ValueSource::Special(rng)};
    case 5:
      return {testing::ValueSource::Special(rng), OneIn(rng, 2) ? own.offset : 0};
    default:
      return {testing::AnyFloat(rng), testing::AnyFloat(rng)};
  }
}

TEST(QuantizeWithParams, AnyProblemAnyParameters) {
  Rng rng(1);
  const ThreadPool two(2), seven(7);
  const testing::ReversePool reverse(3);
  const std::vector<const ParallelFor*> pools = {&SerialFor(), two.get(), seven.get(), reverse.get()};
  const int rounds = SlowMachine() ? 250 : 2500;
  for (int i = 0; i < rounds; ++i) {
    const int64_t budget = OneIn(rng, 40) ? 200000 : OneIn(rng, 3) ? 20000 : 3000;
    RowwiseProblem p = RandomProblem(rng, kFormats[static_cast<size_t>(i) % 5], kFloats[static_cast<size_t>(i) / 5 % 3],
                                     testing::RandomShape(rng, Uniform(rng, 1, 5), budget), OneIn(rng, 2));
    std::vector<ScaleAndOffset> params = p.Expect().params;
    for (ScaleAndOffset& one : params) one = RandomParams(one, rng);
    SetParams(p, params, OneIn(rng, 2) ? Layout::kStridedInput : Layout::kContiguous, rng);
    const ExecOptions exec{PickFrom(rng, pools), nullptr, 0, static_cast<Stores>(Uniform(rng, 0, 2))};
    ASSERT_EQ(Check(p, exec), "") << "problem " << i;
  }
}

// One set of parameters at a time on rows and columns of 300, most of them ordinary.
void Gives(Format format, const ScaleAndOffset& given, bool symmetric, float x, int code) {
  Rng rng(2);
  for (const QuantMode mode : kModes) {
    RowwiseProblem p;
    p.format = format;
    p.symmetric = symmetric;
    p.mode = mode;
    p.x = TestTensor(DType::kFloat32, {2, 300}, rng);
    p.x.SetFloats(std::vector<float>(600, x));
    p.x.Keep();
    p.MakeOutputs(rng);
    SetParams(p, std::vector<ScaleAndOffset>(static_cast<size_t>(p.params()), given), Layout::kContiguous, rng);
    EXPECT_EQ(Check(p, std::vector<uint8_t>(600, static_cast<uint8_t>(code & (format == Format::kInt4 ? 15 : 255)))),
              "");
  }
}

TEST(QuantizeWithParams, ValuesByHand) {
  Gives(Format::kInt8, {2, 0}, true, 7, 4);  // 3.5 ties to 4
  Gives(Format::kInt8, {2, 0}, true, 1e9f, 127);
  Gives(Format::kInt8, {2, 0}, true, -kInf, -128);
  Gives(Format::kInt8, {2, 10.25f}, false, 7, 14);
  Gives(Format::kInt8, {-2, 0}, true, 7, -4);         // any scale is divided by
  Gives(Format::kInt4, {0.5f, -1}, false, 3.25f, 6);  // 5.5 ties to 6
  Gives(Format::kInt4, {0.5f, -1}, false, -100, -8);
  Gives(Format::kFloat8E4M3FN, {1, 0}, true, 1e6f, 0x7E);
  Gives(Format::kFloat8E5M2, {1, 0}, true, -1e6f, 0xFB);
  Gives(Format::kHiFloat8, {1, 0}, true, 1e6f, 0x6E);
  Gives(Format::kInt8, {kNaN, 0}, true, 7, 0);
  Gives(Format::kFloat8E4M3FN, {1, kNaN}, false, 7, 0x7F);
  Gives(Format::kInt8, {kInf, 3}, false, 7, 3);
}

// Symmetric: 0x00 whatever x is, infinities and NaNs too. Asymmetric: IEEE follows.
TEST(QuantizeWithParams, AScaleOfZero) {
  for (const Format format : kFormats) {
    for (const float zero : {0.0f, -0.0f}) {
      for (const float x : {0.0f, -0.0f, 1.0f, -1.0f, kInf, -kInf, kNaN}) Gives(format, {zero, 0}, true, x, 0);
    }
  }
  Gives(Format::kInt8, {0, 5}, false, 1, 127);
  Gives(Format::kInt8, {0, 5}, false, -1, -128);
  Gives(Format::kInt8, {0, 5}, false, 0, 0);
  Gives(Format::kFloat8E4M3FN, {0, 5}, false, 0, 0x7F);
}

TEST(QuantizeWithParams, FloatingPointStateNeitherMattersNorChanges) {
  Rng rng(3);
  for (int i = 0; i < 40; ++i) {
    RowwiseProblem p =
        RandomProblem(rng, kFormats[static_cast<size_t>(i) % 5], kFloats[static_cast<size_t>(i) % 3], {30, 64}, false);
    std::vector<ScaleAndOffset> params = p.Expect().params;
    for (ScaleAndOffset& one : params) one = RandomParams(one, rng);
    SetParams(p, params, Layout::kContiguous, rng);
    const std::vector<uint8_t> expected = p.CodesFor(p.Mapped(), params);
    for (const Target target : SupportedTargets()) {
      const ScopedTarget scoped(target);
      for (const testing::FpWord word : testing::OddFpWords()) {
        p.y.Reset();
        Status status;
        bool kept = false;
        {
          const testing::ScopedFpWord state(word);
          status = QuantizeWithParams(p.QuantizeArgs());
          kept = state.Unchanged();
        }
        ASSERT_TRUE(status.ok() && kept) << status.message();
        ASSERT_EQ(p.CompareCodes(expected), "") << Name(target) << " in state " << std::hex << word;
      }
    }
  }
}

TEST(QuantizeWithParams, InferGivesTheCodes) {
  Rng rng(4);
  for (const Format format : kFormats) {
    RowwiseProblem p;
    p.format = format;
    p.x = TestTensor(DType::kFloat16, {2, 3, 8}, rng);
    p.MakeOutputs(rng);
    TensorSpec spec;
    const Status status = InferQuantizeWithParams(p.QuantizeArgs(), &spec);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(spec.dtype, StorageType(format));
    EXPECT_EQ(Shape(spec.dims().begin(), spec.dims().end()), (Shape{2, 3, format == Format::kInt4 ? 4 : 8}));
  }
}

}  // namespace
}  // namespace kvant
