// dequantize on a device against the formula.
#include "kvant/ops/dequantize/cuda.h"

#include <vector>

#include "kvant/numerics/test_util.h"
#include "kvant/ops/dequantize/problem_test_util.h"
#include "kvant/testing/cuda_test_util.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

class DequantizeCuda : public CudaTest {};

TEST_F(DequantizeCuda, AnyProblem) {
  Rng rng(142);
  const auto rounds = static_cast<size_t>(CudaRounds(3000, 200000));
  for (size_t round = 0; round < rounds; ++round) {
    const Shape shape = RandomShape(rng, Uniform(rng, 1, 6), OneIn(rng, 50) ? 30000 : 2000);
    DequantizeProblem p(kFormats[round % 5], kFloats[round / 5 % 3], shape, OneIn(rng, 2), rng);
    const std::vector<uint8_t> expected = p.Expected();
    p.x.Reset();
    OnDevice device;
    DequantizeArgs args = p.Args();
    args.y = device(p.y);
    args.scale = device(p.scale);
    if (p.has_offset) args.offset = device(p.offset);
    args.x = device(p.x);
    const Status status = cuda::Dequantize(args);
    ASSERT_TRUE(status.ok()) << status.message();
    device.Fetch();
    ASSERT_EQ(p.x.Bytes(), expected) << Name(p.format) << " to " << Name(p.x.dtype()) << " " << Name(p.mode);
    ASSERT_TRUE(p.x.OnlyElementsWritten());
  }
}

}  // namespace
}  // namespace kvant
