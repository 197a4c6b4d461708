// The CUDA kernels of quantize, run on the host, against the formula.
#include <gtest/gtest.h>

#include <vector>

#include "kvant/numerics/test_util.h"
#include "kvant/ops/quantize/cuda_run.h"
#include "kvant/ops/quantize/problem_test_util.h"
#include "kvant/testing/host_elements.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

void ExpectRight(QuantizeProblem& p) {
  const std::vector<uint8_t> expected = p.Expected();
  p.y.Reset();
  HostQueue queue;
  const Status status = quantize::RunOn(queue, p.Args());
  ASSERT_TRUE(status.ok()) << status.message();
  // The CPU operator has the words for a difference.
  if (p.y.Bytes() != expected) {
    ADD_FAILURE() << Name(p.format) << " of " << Name(p.x.dtype()) << " differs; the CPU: " << p.Check(expected, {});
  }
  EXPECT_TRUE(p.y.OnlyElementsWritten());
}

TEST(QuantizeEmulation, AnyProblem) {
  Rng rng(41);
  const size_t rounds = SlowMachine() ? 300 : 3000;
  for (size_t round = 0; round < rounds; ++round) {
    const Shape shape = RandomShape(rng, Uniform(rng, 1, 6), OneIn(rng, 50) ? 30000 : 2000);
    QuantizeProblem p = RandomQuantize(kFormats[round % 5], kFloats[round / 5 % 3], shape, OneIn(rng, 2), rng);
    ExpectRight(p);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace kvant
