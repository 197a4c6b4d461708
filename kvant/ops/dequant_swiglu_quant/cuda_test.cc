// dequant_swiglu_quant on a device against the scalar reference.
#include "kvant/ops/dequant_swiglu_quant/cuda.h"

#include <string>
#include <vector>

#include "kvant/numerics/test_util.h"
#include "kvant/ops/dequant_swiglu_quant/problem_test_util.h"
#include "kvant/testing/cuda_test_util.h"
#include "kvant/testing/pools.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

class SwigluCuda : public CudaTest {};

const std::vector<DType> kInputs = {DType::kInt32, DType::kFloat16, DType::kBFloat16, DType::kFloat32};
const std::vector<Format> kCodeFormats = {Format::kInt8, Format::kFloat8E4M3FN, Format::kFloat8E5M2, Format::kHiFloat8};

std::string Check(SwigluProblem& p, Rng& rng) {
  std::vector<uint8_t> expected;
  {
    const ScopedTarget scalar(Target::kScalar);
    expected = p.Plain(rng);
  }
  p.y.Reset();
  p.scale.Reset();
  OnDevice device;
  DequantSwigluQuantArgs args = p.Args();
  args.x = device(p.x);
  args.weight_scale = device(p.weight);
  args.activation_scale = device(p.activation);
  args.bias = device(p.bias);
  args.quant_scale = device(p.quant_scale);
  args.quant_offset = device(p.quant_offset);
  args.group_index = device(p.groups);
  args.y = device(p.y);
  args.scale = device(p.scale);
  const Status status = cuda::DequantSwigluQuant(args);
  device.Fetch();
  if (!status.ok()) return status.message();
  if (p.Results() != expected) return "other bytes: " + p.What();
  return p.y.OnlyElementsWritten() && p.scale.OnlyElementsWritten() ? "" : "memory around a result was written";
}

TEST_F(SwigluCuda, AnyProblem) {
  Rng rng(151);
  const int rounds = CudaRounds(150, 5000);
  for (const DType dtype : kInputs) {
    for (const Format format : kCodeFormats) {
      for (int round = 0; round < rounds; ++round) {
        SwigluProblem p = SmallSwiglu(dtype, format, rng);
        ASSERT_EQ(Check(p, rng), "");
      }
    }
  }
}

TEST_F(SwigluCuda, LongRowsAndManyRows) {
  Rng rng(152);
  const struct {
    Shape lead;
    int64_t h;
  } kCases[] = {{{2}, 8192}, {{3}, 8196}, {{2}, 20001}, {{70000}, 8}, {{300}, 700}};
  for (const auto& c : kCases) {
    for (const DType dtype : kInputs) {
      SwigluProblem p = RandomSwiglu(dtype, PickFrom(rng, kCodeFormats), c.lead, c.h, false, rng);
      ASSERT_EQ(Check(p, rng), "");
    }
  }
}

}  // namespace
}  // namespace kvant
