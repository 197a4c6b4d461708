// The CUDA kernels of dequant_swiglu_quant, run on the host, against the scalar reference.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kvant/core/cuda_fault.cuh"
#include "kvant/numerics/test_util.h"
#include "kvant/ops/dequant_swiglu_quant/cuda.cuh"
#include "kvant/ops/dequant_swiglu_quant/problem_test_util.h"
#include "kvant/testing/host_queue.h"
#include "kvant/testing/pools.h"

namespace kvant {
namespace testing {

Status LaunchSwiglu(HostQueue& queue, int held, const swiglu::CudaPlan& p, const CudaShape& shape) {
  return cuda::DispatchSwiglu(p, held, [&](const auto& kernel) { return RunOnHost(queue, kernel, shape); });
}

}  // namespace testing

namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

const std::vector<DType> kInputs = {DType::kInt32, DType::kFloat16, DType::kBFloat16, DType::kFloat32};
const std::vector<Format> kCodeFormats = {Format::kInt8, Format::kFloat8E4M3FN, Format::kFloat8E5M2, Format::kHiFloat8};

std::vector<uint8_t> Expected(SwigluProblem& p, Rng& rng) {
  const ScopedTarget scalar(Target::kScalar);
  return p.Plain(rng);
}

std::string Check(SwigluProblem& p, const std::vector<uint8_t>& expected, CudaFaultRecord* faults, int sms = 132) {
  HostQueue queue;
  queue.traits.sms = sms;
  queue.faults = faults;
  p.y.Reset();
  p.scale.Reset();
  const Status status = swiglu::RunOn(queue, p.Args());
  if (!status.ok()) return status.message();
  if (p.Results() != expected) return "other bytes: " + p.What();
  return p.y.OnlyElementsWritten() && p.scale.OnlyElementsWritten() ? "" : "memory around a result was written";
}

TEST(SwigluEmulation, AnyProblem) {
  Rng rng(51);
  const int rounds = SlowMachine() ? 20 : 150;
  for (const DType dtype : kInputs) {
    for (const Format format : kCodeFormats) {
      for (int round = 0; round < rounds; ++round) {
        SwigluProblem p = SmallSwiglu(dtype, format, rng);
        CudaFaultRecord faults;
        ASSERT_EQ(Check(p, Expected(p, rng), &faults, OneIn(rng, 2) ? 1 : 132), "");
        ASSERT_EQ(faults.taken, 0u);
      }
    }
  }
}

// More groups than a warp looks at at once, most of them empty, on teams of every width.
TEST(SwigluEmulation, ManyGroups) {
  Rng rng(54);
  for (const int64_t h : {1, 8, 64, 520}) {
    for (const bool pairs : {false, true}) {
      for (int round = 0; round < 4; ++round) {
        SwigluProblem p = RandomSwiglu(DType::kInt32, Format::kInt8, {50}, h, false, rng);
        const int64_t groups = Uniform(rng, 60, 130);
        MakePlain(p, rng, groups);
        p.groups = TestTensor(DType::kInt64, pairs ? Shape{groups, 2} : Shape{groups}, rng);
        std::vector<int64_t> counts(static_cast<size_t>(groups));
        for (int64_t row = 0; row < Uniform(rng, 0, 50); ++row)
          ++counts[static_cast<size_t>(Uniform(rng, 0, groups - 1))];
        for (int64_t g = 0; g < groups; ++g) {
          if (pairs) p.groups->Set(2 * g, Uniform(rng, 0, groups - 1));
          p.groups->Set(pairs ? 2 * g + 1 : g, counts[static_cast<size_t>(g)]);
        }
        p.groups->Keep();
        CudaFaultRecord faults;
        ASSERT_EQ(Check(p, Expected(p, rng), &faults, OneIn(rng, 2) ? 1 : 132), "");
        ASSERT_EQ(faults.taken, 0u);
      }
    }
  }
}

// A parameter row is only a number where no table has several.
TEST(SwigluEmulation, LargeParameterRows) {
  Rng rng(55);
  SwigluProblem p;
  p.attributes.quant_mode = ScaleSource::kDynamic;
  p.x = TestTensor(DType::kFloat16, {3, 16}, rng);
  FillSwigluX(p.x, rng);
  p.y = TestTensor(DType::kInt8, {3, 8}, rng);
  p.scale = TestTensor(DType::kFloat32, {3}, rng);
  p.groups = TestTensor(DType::kInt64, {3, 2}, rng);
  const int64_t rows[] = {int64_t{1} << 31, (int64_t{1} << 32) - 1, int64_t{1} << 40};
  for (int64_t g = 0; g < 3; ++g) {
    p.groups->Set(2 * g, rows[g]);
    p.groups->Set(2 * g + 1, int64_t{1});
  }
  p.groups->Keep();
  CudaFaultRecord faults;
  ASSERT_EQ(Check(p, Expected(p, rng), &faults), "");
  EXPECT_EQ(faults.taken, 0u);
}

TEST(SwigluEmulation, NoColumns) {
  Rng rng(56);
  for (const Shape& lead : {Shape{1}, Shape{3}}) {
    SwigluProblem p;
    p.attributes.quant_mode = ScaleSource::kDynamic;
    Shape empty = lead;
    empty.push_back(0);
    p.x = TestTensor(DType::kFloat32, empty, rng);
    p.y = TestTensor(DType::kInt8, empty, rng);
    p.scale = TestTensor(DType::kFloat32, lead, rng);
    CudaFaultRecord faults;
    ASSERT_EQ(Check(p, Expected(p, rng), &faults), "");
  }
}

// Rows that a block holds, and rows that it does not.
TEST(SwigluEmulation, LongRows) {
  Rng rng(52);
  for (const int64_t h : {8192, 8196, 18432, 20001}) {
    for (const DType dtype : kInputs) {
      SwigluProblem p = RandomSwiglu(dtype, PickFrom(rng, kCodeFormats), {2}, h, false, rng);
      CudaFaultRecord faults;
      ASSERT_EQ(Check(p, Expected(p, rng), &faults), "");
    }
  }
}

// Rows of an illegal parameter row, and all from an illegal count on, are zeros; the first fault is recorded.
TEST(SwigluEmulation, BadGroupsAreRecorded) {
  Rng rng(53);
  for (const int sms : {1, 132}) {
    SwigluProblem p;
    p.attributes.quant_mode = ScaleSource::kDynamic;
    p.x = TestTensor(DType::kInt32, {9, 16}, rng);
    FillSwigluX(p.x, rng);
    p.weight = TestTensor(DType::kFloat32, {2, 16}, rng);
    FillTable(*p.weight, 0.01f, rng);
    p.y = TestTensor(DType::kInt8, {9, 8}, rng);
    p.scale = TestTensor(DType::kFloat32, {9}, rng);
    p.groups = TestTensor(DType::kInt64, {4, 2}, rng);
    const auto set = [&](const std::vector<int64_t>& pairs) {
      for (size_t i = 0; i < pairs.size(); ++i) p.groups->Set(static_cast<int64_t>(i), pairs[i]);
      p.groups->Keep();
    };
    set({1, 2, 0, 1, 0, 3, 1, 0});
    std::vector<uint8_t> expected = Expected(p, rng);
    set({1, 2, 7, 1, 0, 3, 1, 4});
    // Row 2 has a parameter row that there is not, and the last count is more than what is left.
    std::fill_n(expected.begin() + 2 * 8, 8, uint8_t{0});
    std::fill_n(expected.begin() + 9 * 8 + 2 * 4, 4, uint8_t{0});
    CudaFaultRecord faults;
    ASSERT_EQ(Check(p, expected, &faults, sms), "");
    EXPECT_EQ(Describe(faults.op, faults.fault).message(),
              "dequant_swiglu_quant: group_index[1, 0] is 7, but there are 2 parameter rows");
    set({1, 2, 0, 1, 0, 3, 1, 4});
    faults = {};
    Check(p, expected, &faults, sms);
    EXPECT_EQ(Describe(faults.op, faults.fault).message(),
              "dequant_swiglu_quant: group_index[3, 1] is 4, but after the groups before it 3 of the 9 rows of x are "
              "left");
  }
}

}  // namespace
}  // namespace kvant
