// Exact ties at given scales of every size, also where measured ones never are: asymmetric scales below 1e-12, with
// offsets of every size.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kvant/numerics/test_util.h"
#include "kvant/testing/pools.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace {

using testing::kFormats;
using testing::Rng;
using testing::RowwiseProblem;
using testing::ScaleAndOffset;
using testing::ScopedTarget;
using testing::Shape;
using testing::TestTensor;
using testing::Uniform;

class QuantizeTies : public ::testing::TestWithParam<Format> {};

TEST_P(QuantizeTies, AtEveryScale) {
  Rng rng(1);
  const Format format = GetParam();
  std::vector<double> ties = testing::TiesByDefinition(format);
  if (ties.size() % 2 != 0) ties.push_back(0);
  const auto n = static_cast<int64_t>(ties.size());
  const int64_t step = SlowMachine() ? 23 : 1, sets = 2 * (278 / step);
  for (const bool symmetric : {true, false}) {
    for (const QuantMode mode : {QuantMode::kPerToken, QuantMode::kPerChannel}) {
      const bool channels = mode == QuantMode::kPerChannel;
      RowwiseProblem p;
      p.format = format;
      p.symmetric = symmetric;
      p.mode = mode;
      p.x = TestTensor(DType::kFloat32, channels ? Shape{n, sets} : Shape{sets, n}, rng);
      p.MakeOutputs(rng);
      std::vector<float> values(static_cast<size_t>(sets * n));
      std::vector<ScaleAndOffset> params(static_cast<size_t>(sets));
      for (int64_t s = 0; s < sets; ++s) {
        const double scale =
            std::ldexp(2.0 * static_cast<double>(Uniform(rng, 1, 511)) + 1, static_cast<int>(s / 2 * step) - 159);
        // Steps that the offset takes back; or an offset too small to move anything but what stands near 0.
        const auto shift = static_cast<double>(s % 2 == 1 ? Uniform(rng, -300, 300) : 0);
        const double offset =
            s % 2 == 1 ? -shift : std::ldexp(testing::Moderate(rng), -static_cast<int>(Uniform(rng, 0, 60)));
        params[static_cast<size_t>(s)] = {static_cast<float>(scale), symmetric ? 0 : static_cast<float>(offset)};
        for (int64_t i = 0; i < n; ++i) {
          const double value = (ties[static_cast<size_t>(i)] + (symmetric ? 0 : shift)) * scale;
          values[static_cast<size_t>(channels ? i * sets + s : s * n + i)] = static_cast<float>(value);
        }
      }
      p.x.SetFloats(values);
      p.x.Keep();
      for (int64_t s = 0; s < sets; ++s) {
        p.scale.Set(s, params[static_cast<size_t>(s)].scale);
        if (p.offset) p.offset->Set(s, params[static_cast<size_t>(s)].offset);
      }
      const std::vector<uint8_t> expected = p.CodesFor(p.Mapped(), params);
      for (const Target target : SupportedTargets()) {
        const ScopedTarget scoped(target);
        p.y.Reset();
        const Status status = QuantizeWithParams(p.QuantizeArgs());
        ASSERT_TRUE(status.ok()) << status.message();
        ASSERT_EQ(p.CompareCodes(expected), "") << Name(target);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, QuantizeTies, ::testing::ValuesIn(kFormats),
                         [](const auto& info) { return std::string(Name(info.param)); });

// -0 / s + offset is -0 only with an offset of -0, and FP8 shows it. A quotient by multiplication has no sign of zero.
TEST(QuantizeZeros, KeepTheSignOfTheSum) {
  Rng rng(3);
  constexpr float kOffsets[] = {0.0f, -0.0f, 0x1p-149f, -0x1p-149f, 0x1p-45f, -0x1p-45f};
  constexpr int64_t kColumns = 136;
  for (const Format format : {Format::kFloat8E4M3FN, Format::kFloat8E5M2, Format::kHiFloat8}) {
    for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat32}) {
      for (const bool smooth : {false, true}) {
        RowwiseProblem p;
        p.format = format;
        p.x = TestTensor(dtype, {static_cast<int64_t>(std::size(kOffsets)), kColumns}, rng);
        std::vector<float> values(std::size(kOffsets) * kColumns);
        for (size_t i = 0; i < values.size(); ++i) values[i] = i % 3 == 0 ? 0.0f : i % 3 == 1 ? -0.0f : 0.5f;
        p.x.SetFloats(values);
        p.x.Keep();
        if (smooth) {
          p.smooth.emplace(DType::kFloat32, Shape{kColumns}, rng);
          p.smooth->SetFloats(std::vector<float>(kColumns, -1.0f));
          p.smooth->Keep();
        }
        p.MakeOutputs(rng);
        std::vector<ScaleAndOffset> params;
        for (const float offset : kOffsets) {
          p.scale.Set(static_cast<int64_t>(params.size()), 1.0f);
          p.offset->Set(static_cast<int64_t>(params.size()), offset);
          params.push_back({1.0f, offset});
        }
        const std::vector<uint8_t> expected = p.CodesFor(p.Mapped(), params);
        for (const Target target : SupportedTargets()) {
          const ScopedTarget scoped(target);
          p.y.Reset();
          const Status status = QuantizeWithParams(p.QuantizeArgs());
          ASSERT_TRUE(status.ok()) << status.message();
          ASSERT_EQ(p.CompareCodes(expected), "") << Name(target) << " " << Name(dtype);
        }
      }
    }
  }
}

}  // namespace
}  // namespace kvant
