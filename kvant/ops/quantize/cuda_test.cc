// quantize on a device against the formula.
#include "kvant/ops/quantize/cuda.h"

#include <vector>

#include "kvant/numerics/test_util.h"
#include "kvant/ops/quantize/problem_test_util.h"
#include "kvant/testing/cuda_test_util.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

class QuantizeCuda : public CudaTest {};

TEST_F(QuantizeCuda, AnyProblem) {
  Rng rng(141);
  const auto rounds = static_cast<size_t>(CudaRounds(3000, 200000));
  for (size_t round = 0; round < rounds; ++round) {
    const Shape shape = RandomShape(rng, Uniform(rng, 1, 6), OneIn(rng, 50) ? 30000 : 2000);
    QuantizeProblem p = RandomQuantize(kFormats[round % 5], kFloats[round / 5 % 3], shape, OneIn(rng, 2), rng);
    p.y.Reset();
    OnDevice device;
    QuantizeArgs args = p.Args();
    args.x = device(p.x);
    args.quant_scales = device(p.scales);
    if (p.has_zero) args.quant_zero_points = device(p.zero_points);
    args.y = device(p.y);
    const Status status = cuda::Quantize(args);
    ASSERT_TRUE(status.ok()) << status.message();
    device.Fetch();
    ASSERT_EQ(p.y.Bytes(), p.Expected()) << Name(p.format) << " of " << Name(p.x.dtype());
    ASSERT_TRUE(p.y.OnlyElementsWritten());
  }
}

}  // namespace
}  // namespace kvant
