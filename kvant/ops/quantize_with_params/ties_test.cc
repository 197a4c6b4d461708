// Exact ties at given scales of every size, also where measured ones never are: asymmetric scales below 1e-12, with
// offsets of every size.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

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
  const int64_t sets = 2 * 278;
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
            std::ldexp(2.0 * static_cast<double>(Uniform(rng, 1, 511)) + 1, static_cast<int>(s / 2) - 159);
        // Steps that the offset takes back; or an offset too small to move anything but what stands near 0.
        const auto shift = static_cast<double>(s % 2 == 1 ? Uniform(rng, -100, 100) : 0);
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

}  // namespace
}  // namespace kvant
