// Real activations: results equal the formulas, and what comes back is as near as the format allows.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kvant/testing/captured.h"
#include "kvant/testing/check_dynamic_quant.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace {

using testing::CheckOnEachTarget;
using testing::kFormats;
using testing::Rng;
using testing::RowwiseProblem;
using testing::Shape;
using testing::TestTensor;

constexpr char kData[] = KVANT_SOURCE_DIR "/data";

class DynamicQuantData : public ::testing::TestWithParam<const char*> {
 protected:
  TestTensor Read(const std::string& file, const std::string& name) {
    return testing::ReadCaptured(kData, file, name, rng_);
  }

  // Every element comes back, by (y - offset) * scale in double, within half a step of its code and what the rounding
  // of offset and quotient adds.
  static void ExpectRoundTrip(RowwiseProblem& p) {
    const std::vector<uint8_t> codes = p.Codes();
    const std::vector<float> mapped = p.Mapped();
    for (size_t i = 0; i < mapped.size(); ++i) {
      const int64_t k = p.ParamOf(static_cast<int64_t>(i));
      const double scale = p.scale.Get<float>(k), offset = p.offset ? p.offset->Get<float>(k) : 0;
      const double value = testing::DecodeByDefinition(p.format, codes[i]);
      const double error = std::fabs((value - offset) * scale - mapped[i]);
      const double rounding = 0x1p-22 * (std::fabs(offset) + testing::RangeByDefinition(p.format, 0));
      ASSERT_LE(error, scale * (testing::GapByDefinition(p.format, codes[i]) / 2 + rounding))
          << p.Describe() << " element " << i;
    }
  }

  Rng rng_{1};
};

TEST_P(DynamicQuantData, ComesBack) {
  for (const bool symmetric : {true, false}) {
    const std::string file = symmetric ? "minilm_fp16.safetensors" : "minilm_bf16.safetensors";
    const TestTensor x = Read(file, GetParam());
    ASSERT_GE(x.shape().size(), 2u) << "no " << GetParam() << " in " << file;
    for (const Format format : kFormats) {
      RowwiseProblem p;
      p.x = x;
      p.format = format;
      p.symmetric = symmetric;
      const auto check = [&] {
        p.MakeOutputs(rng_);
        ASSERT_EQ(CheckOnEachTarget(p), "");
        ExpectRoundTrip(p);
      };
      check();
      if (IsInteger(format)) {
        p.group_size = 32;
      } else {
        p.mode = format == Format::kHiFloat8 ? QuantMode::kPerTensor : QuantMode::kPerChannel;
      }
      check();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(MiniLm, DynamicQuantData,
                         ::testing::Values("layer5.hidden", "layer2.k", "layer2.v", "layer2.ffn"));

// Smooth scales of a layer and of its experts, the second of which has no rows.
TEST(DynamicQuantSmoothData, ComesBack) {
  Rng rng(2);
  RowwiseProblem p;
  p.x = testing::ReadCaptured(kData, "minilm_fp16.safetensors", "layer2.hidden", rng);
  for (const bool experts : {false, true}) {
    p.smooth = testing::ReadCaptured(kData, "smooth.safetensors", experts ? "smooth.experts" : "smooth.hidden", rng);
    if (experts) p.group_index = testing::ReadCaptured(kData, "smooth.safetensors", "group_index", rng);
    for (const Format format : kFormats) {
      p.format = format;
      p.MakeOutputs(rng);
      ASSERT_EQ(CheckOnEachTarget(p), "");
    }
  }
}

// Why there are smooth scales, offsets and groups at all: on these activations each makes the mean error of INT4
// smaller.
TEST(DynamicQuantSmoothData, WhatEachOptionIsFor) {
  Rng rng(3);
  const auto error_of = [&](bool symmetric, int64_t group_size) {
    RowwiseProblem p;
    p.x = testing::ReadCaptured(kData, "minilm_fp16.safetensors", "layer2.ffn", rng);
    p.format = Format::kInt4;
    p.symmetric = symmetric;
    p.group_size = group_size;
    p.MakeOutputs(rng);
    EXPECT_EQ(CheckDynamicQuant(p, p.Expect()), "");
    const std::vector<uint8_t> codes = p.Codes();
    const std::vector<float> x = p.x.Floats();
    double sum = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const int64_t k = p.ParamOf(static_cast<int64_t>(i));
      const double offset = symmetric ? 0 : p.offset->Get<float>(k);
      sum += std::fabs((testing::DecodeByDefinition(p.format, codes[i]) - offset) * p.scale.Get<float>(k) - x[i]);
    }
    return sum / static_cast<double>(x.size());
  };
  const double plain = error_of(true, 0);
  EXPECT_LT(error_of(false, 0), plain);
  EXPECT_LT(error_of(true, 32), plain);
  EXPECT_LT(error_of(false, 32), error_of(true, 32));
}

}  // namespace
}  // namespace kvant
