#include "kvant/ops/params/params.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "kvant/testing/fp_state.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace {

using testing::BitsOf;
using testing::kFormats;
using testing::Layout;
using testing::ParamsByDefinition;
using testing::Rng;
using testing::ScaleAndOffset;
using testing::Shape;
using testing::Statistics;
using testing::TestTensor;
using testing::Uniform;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kFloor = std::bit_cast<float>(0x2B8CBCCCu);  // 1e-12

ParamsFromAmaxArgs AmaxArgs(Format format, double dst_type_max, TestTensor& amax, TestTensor& scale) {
  return {amax.view(), format, dst_type_max, scale.view()};
}
ParamsFromMinMaxArgs MinMaxArgs(Format format, double dst_type_max, TestTensor& min, TestTensor& max, TestTensor& scale,
                                TestTensor& offset) {
  return {min.view(), max.view(), format, dst_type_max, scale.view(), offset.view()};
}

float ScaleOf(Format format, float amax, double dst_type_max = 0) {
  Rng rng(1);
  TestTensor in(DType::kFloat32, {}, rng), scale(DType::kFloat32, {}, rng);
  in.Set(0, amax);
  EXPECT_TRUE(ParamsFromAmax(AmaxArgs(format, dst_type_max, in, scale)).ok());
  return scale.Get<float>(0);
}

ScaleAndOffset ParamsOf(Format format, float low, float high, double dst_type_max = 0) {
  Rng rng(1);
  TestTensor min(DType::kFloat32, {}, rng), max(DType::kFloat32, {}, rng);
  TestTensor scale(DType::kFloat32, {}, rng), offset(DType::kFloat32, {}, rng);
  min.Set(0, low);
  max.Set(0, high);
  EXPECT_TRUE(ParamsFromMinMax(MinMaxArgs(format, dst_type_max, min, max, scale, offset)).ok());
  return {scale.Get<float>(0), offset.Get<float>(0)};
}

TEST(ParamsFromAmax, ValuesByHand) {
  EXPECT_EQ(ScaleOf(Format::kInt8, 254), 2);
  EXPECT_EQ(ScaleOf(Format::kInt4, 3.5f), 0.5f);
  EXPECT_EQ(ScaleOf(Format::kFloat8E4M3FN, 1), 1.0f / 448);
  EXPECT_EQ(ScaleOf(Format::kFloat8E5M2, 57344), 1);
  EXPECT_EQ(ScaleOf(Format::kHiFloat8, 32768), 1);
  EXPECT_EQ(ScaleOf(Format::kHiFloat8, 30, 15), 2);
  EXPECT_EQ(ScaleOf(Format::kInt8, 0), 0);
  EXPECT_EQ(ScaleOf(Format::kInt8, kInf), kInf);
  EXPECT_EQ(ScaleOf(Format::kInt8, 0x1p-149f), 0);          // underflow
  EXPECT_EQ(ScaleOf(Format::kInt8, 0x1p-140f), 0x1p-147f);  // 512 / 127 = 4.03 units
  for (const uint32_t nan : {0x7FC00000u, 0xFFC00000u, 0x7F800001u, 0xFFFFFFFFu}) {
    EXPECT_EQ(std::bit_cast<uint32_t>(ScaleOf(Format::kInt8, std::bit_cast<float>(nan))), 0x7FC00000u);
  }
}

TEST(ParamsFromAmax, DstTypeMaxIsForHiFloat8) {
  EXPECT_EQ(ScaleOf(Format::kHiFloat8, 1, 0), 1.0f / 32768);
  EXPECT_EQ(ScaleOf(Format::kHiFloat8, 1, 32768), 1.0f / 32768);
  EXPECT_EQ(ScaleOf(Format::kHiFloat8, 1, 1e-7), 1.0f / 32768);  // below 1e-6: the default
  EXPECT_EQ(ScaleOf(Format::kHiFloat8, 1, 1e-6), 1 / 1e-6f);
  EXPECT_EQ(ScaleOf(Format::kHiFloat8, 1, 0.1), 1 / 0.1f);  // rounded to fp32 once
}

TEST(ParamsFromMinMax, ValuesByHand) {
  const auto is = [](ScaleAndOffset p, float scale, float offset) {
    EXPECT_EQ(BitsOf(p.scale), BitsOf(scale));
    EXPECT_EQ(BitsOf(p.offset), BitsOf(offset));
  };
  is(ParamsOf(Format::kInt8, -128, 127), 1, 0);
  is(ParamsOf(Format::kInt8, 0, 510), 2, -128);
  is(ParamsOf(Format::kInt4, 0, 15), 1, -8);
  is(ParamsOf(Format::kFloat8E4M3FN, -448, 448), 1, 0);
  is(ParamsOf(Format::kFloat8E5M2, 0, 229376), 2, -57344);
  is(ParamsOf(Format::kHiFloat8, 0, 65536), 1, -32768);
  is(ParamsOf(Format::kHiFloat8, -15, 45, 15), 2, -7.5f);
  // The floor, and an offset in which D is lost.
  is(ParamsOf(Format::kInt8, 0, 0), kFloor, 127);
  is(ParamsOf(Format::kInt8, 3, 3), kFloor, -(3 / kFloor));
  is(ParamsOf(Format::kInt8, -1e-30f, 1e-30f), kFloor, 127);
  // Infinities follow; a NaN takes both.
  is(ParamsOf(Format::kInt8, -3e38f, 3e38f), kInf, 127);
  is(ParamsOf(Format::kInt8, 0, kInf), kInf, kNaN);
  is(ParamsOf(Format::kInt8, -kInf, 0), kInf, 127);
  is(ParamsOf(Format::kInt8, kInf, kInf), kNaN, kNaN);
  is(ParamsOf(Format::kInt8, kNaN, kNaN), kNaN, kNaN);
  is(ParamsOf(Format::kInt8, -kNaN, 1), kNaN, kNaN);
  is(ParamsOf(Format::kInt8, 1, -kNaN), kNaN, kNaN);
}

TEST(ParamsFromMinMax, WhatAnEmptyRowReportsCountsAsZero) {
  for (const Format format : kFormats) {
    const ScaleAndOffset p = ParamsOf(format, kInf, -kInf);
    EXPECT_EQ(p.scale, kFloor);
    EXPECT_EQ(p.offset, testing::LargestByDefinition(format, 0));
  }
}

// A stride that is never taken says nothing about which memory it is.
TEST(ParamsFromAmax, InPlaceWithADimensionOfOne) {
  float amax[3] = {127, 254, 0};
  ParamsFromAmaxArgs args;
  args.amax = ConstTensorView(amax, DType::kFloat32, {1, 3}, {1, 1});
  args.scale = TensorView(amax, DType::kFloat32, {1, 3});
  const Status status = ParamsFromAmax(args);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(amax[0], 1);
  EXPECT_EQ(amax[1], 2);
}

// Any bits in any layout, in place and not.
TEST(Params, EqualTheFormulas) {
  Rng rng(2);
  for (int i = 0; i < 600; ++i) {
    const Format format = kFormats[static_cast<size_t>(i) % 5];
    const double most = format == Format::kHiFloat8 && i % 2 == 0 ? 15.3 : 0;
    const Shape shape = i < 5 ? Shape{} : testing::RandomShape(rng, Uniform(rng, 1, 5), 300);
    TestTensor min(DType::kFloat32, shape, Layout::kStridedInput, rng),
        max(DType::kFloat32, shape, Layout::kStridedInput, rng);
    TestTensor scale(DType::kFloat32, shape, Layout::kStrided, rng),
        offset(DType::kFloat32, shape, Layout::kStrided, rng);
    for (int64_t k = 0; k < min.elements(); ++k) {
      float low = testing::AnyFloat(rng), high = testing::AnyFloat(rng);
      if (k % 2 == 0 && high < low) std::swap(low, high);
      if (k % 3 == 0) low = testing::Moderate(rng) - 4, high = testing::Moderate(rng) + 4;
      min.Set(k, low);
      max.Set(k, high);
    }
    min.Keep();
    max.Keep();
    std::vector<ScaleAndOffset> symmetric, asymmetric;
    for (int64_t k = 0; k < min.elements(); ++k) {
      Statistics s;
      s.min = min.Get<float>(k);
      s.max = s.amax = max.Get<float>(k);
      s.count = s.min == kInf && s.max == -kInf ? 0 : 1;
      symmetric.push_back(ParamsByDefinition(s, true, format, most));
      asymmetric.push_back(ParamsByDefinition(s, false, format, most));
    }
    const auto expect = [&](TestTensor& t, const std::vector<ScaleAndOffset>& params, float ScaleAndOffset::*member) {
      for (int64_t k = 0; k < t.elements(); ++k) {
        ASSERT_EQ(t.Get<uint32_t>(k), BitsOf(params[static_cast<size_t>(k)].*member))
            << Name(format) << " min " << min.Get<float>(k) << " max " << max.Get<float>(k);
      }
      EXPECT_TRUE(t.OnlyElementsWritten());
    };
    Status status = ParamsFromAmax(AmaxArgs(format, most, max, scale));
    ASSERT_TRUE(status.ok()) << status.message();
    expect(scale, symmetric, &ScaleAndOffset::scale);
    scale.Reset();
    status = ParamsFromMinMax(MinMaxArgs(format, most, min, max, scale, offset));
    ASSERT_TRUE(status.ok()) << status.message();
    expect(scale, asymmetric, &ScaleAndOffset::scale);
    expect(offset, asymmetric, &ScaleAndOffset::offset);
    EXPECT_TRUE(min.Untouched() && max.Untouched());

    // In place, in both orders: elements of their own, so without strides of 0.
    TestTensor low(DType::kFloat32, shape, Layout::kStrided, rng), high(DType::kFloat32, shape, Layout::kStrided, rng);
    for (const bool crossed : {false, true}) {
      low.SetBytes(min.Bytes());
      low.Keep();
      high.SetBytes(max.Bytes());
      high.Keep();
      TestTensor &to_scale = crossed ? high : low, &to_offset = crossed ? low : high;
      status = ParamsFromMinMax(MinMaxArgs(format, most, low, high, to_scale, to_offset));
      ASSERT_TRUE(status.ok()) << status.message();
      expect(to_scale, asymmetric, &ScaleAndOffset::scale);
      expect(to_offset, asymmetric, &ScaleAndOffset::offset);
    }
    high.SetBytes(max.Bytes());
    high.Keep();
    status = ParamsFromAmax(AmaxArgs(format, most, high, high));
    ASSERT_TRUE(status.ok()) << status.message();
    expect(high, symmetric, &ScaleAndOffset::scale);
  }
}

TEST(Params, FloatingPointStateNeitherMattersNorChanges) {
  Rng rng(3);
  const int64_t n = 280;
  TestTensor min(DType::kFloat32, {n}, rng), max(DType::kFloat32, {n}, rng);
  TestTensor scale(DType::kFloat32, {n}, rng), offset(DType::kFloat32, {n}, rng);
  for (int64_t k = 0; k < n; ++k) {
    min.Set(k, -std::ldexp(1.1f, static_cast<int>(k) - 150));
    max.Set(k, std::ldexp(1.7f, static_cast<int>(k) - 150));
  }
  for (const double most : {0.0, 0.1, 1.0 / 3}) {  // rounded to fp32 to nearest, too
    for (const testing::FpWord word : testing::OddFpWords()) {
      Status first, second;
      bool kept = false;
      std::vector<uint8_t> symmetric;
      {
        const testing::ScopedFpWord state(word);
        first = ParamsFromAmax(AmaxArgs(Format::kHiFloat8, most, max, scale));
        symmetric = scale.Bytes();
        second = ParamsFromMinMax(MinMaxArgs(Format::kHiFloat8, most, min, max, scale, offset));
        kept = state.Unchanged();
      }
      ASSERT_TRUE(first.ok() && second.ok() && kept);
      for (int64_t k = 0; k < n; ++k) {
        Statistics s;
        s.Add(min.Get<float>(k));
        s.Add(max.Get<float>(k));
        const ScaleAndOffset p = ParamsByDefinition(s, false, Format::kHiFloat8, most);
        uint32_t bits;
        std::memcpy(&bits, symmetric.data() + 4 * k, 4);
        ASSERT_EQ(bits, BitsOf(ParamsByDefinition(s, true, Format::kHiFloat8, most).scale)) << k << " " << most;
        ASSERT_EQ(scale.Get<uint32_t>(k), BitsOf(p.scale)) << k << " " << most;
        ASSERT_EQ(offset.Get<uint32_t>(k), BitsOf(p.offset)) << k << " " << most;
      }
    }
  }
}

}  // namespace
}  // namespace kvant
