// The CUDA kernels of dequantize, run on the host, against the formula.
#include <gtest/gtest.h>

#include <vector>

#include "kvant/numerics/test_util.h"
#include "kvant/ops/dequantize/cuda_run.h"
#include "kvant/ops/dequantize/problem_test_util.h"
#include "kvant/testing/host_elements.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

TEST(DequantizeEmulation, AnyProblem) {
  Rng rng(42);
  const size_t rounds = SlowMachine() ? 300 : 3000;
  for (size_t round = 0; round < rounds; ++round) {
    const Shape shape = RandomShape(rng, Uniform(rng, 1, 6), OneIn(rng, 50) ? 30000 : 2000);
    DequantizeProblem p(kFormats[round % 5], kFloats[round / 5 % 3], shape, OneIn(rng, 2), rng);
    const std::vector<uint8_t> expected = p.Expected();
    p.x.Reset();
    HostQueue queue;
    const Status status = dequantize::RunOn(queue, p.Args());
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(p.x.Bytes(), expected) << Name(p.format) << " to " << Name(p.x.dtype()) << " " << Name(p.mode);
    ASSERT_TRUE(p.x.OnlyElementsWritten());
  }
}

}  // namespace
}  // namespace kvant
