// The kernels of dequant_swiglu_quant in the threads of DeviceTeam, run as fibers.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kvant/core/cuda_fault.cuh"
#include "kvant/numerics/test_util.h"
#include "kvant/ops/dequant_swiglu_quant/cuda.cuh"
#include "kvant/ops/dequant_swiglu_quant/problem_test_util.h"
#include "kvant/testing/fiber_queue.h"
#include "kvant/testing/pools.h"

namespace kvant {
namespace testing {

inline Status LaunchSwiglu(FiberQueue&, int held, const swiglu::CudaPlan& p, const CudaShape& shape) {
  if (held == 0) return RunOnFibers(cuda::SwigluKernel<int32_t, Format::kInt8, 0, false>(p), shape);
  return p.plain ? RunOnFibers(cuda::SwigluKernel<int32_t, Format::kInt8, swiglu::kSwigluHeld, true>(p), shape)
                 : RunOnFibers(cuda::SwigluKernel<int32_t, Format::kInt8, swiglu::kSwigluHeld, false>(p), shape);
}

}  // namespace testing

namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

std::string Check(SwigluProblem& p, Rng& rng, int sms) {
  std::vector<uint8_t> expected;
  {
    const ScopedTarget scalar(Target::kScalar);
    expected = p.Plain(rng);
  }
  FiberQueue queue;
  CudaFaultRecord faults;
  queue.traits.sms = sms;
  queue.faults = &faults;
  p.y.Reset();
  p.scale.Reset();
  const Status status = swiglu::RunOn(queue, p.Args());
  if (!status.ok()) return status.message();
  if (p.Results() != expected) return "other bytes: " + p.What();
  if (faults.taken != 0) return "a fault";
  return p.y.OnlyElementsWritten() && p.scale.OnlyElementsWritten() ? "" : "memory around a result was written";
}

TEST(SwigluFibers, EveryTeam) {
  Rng rng(91);
  for (const int64_t h : {1, 4, 8, 12, 32, 60, 64, 100, 128, 260, 520, 1024, 2052, 8192, 9000, 18432}) {
    for (const int64_t rows : {1, 7, 50}) {
      if (rows * h > 30000) continue;
      for (const int sms : {1, 132}) {
        SwigluProblem p = RandomSwiglu(DType::kInt32, Format::kInt8, {rows}, h, OneIn(rng, 4), rng);
        if (sms == 1) MakePlain(p, rng);
        ASSERT_EQ(Check(p, rng, sms), "");
      }
    }
  }
}

}  // namespace
}  // namespace kvant
