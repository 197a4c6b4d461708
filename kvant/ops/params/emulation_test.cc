// The CUDA kernel of params_from_amax and params_from_minmax, run on the host, against the CPU's.
#include <gtest/gtest.h>

#include "kvant/ops/params/cuda.cuh"
#include "kvant/ops/params/cuda_run.h"
#include "kvant/ops/params/problem_test_util.h"
#include "kvant/testing/host_queue.h"

namespace kvant {
namespace testing {

Status LaunchParams(HostQueue& queue, const params::CudaRange& range, const CudaElements& e, const CudaShape& shape) {
  return RunOnHost(queue, cuda::GridKernel<cuda::ParamsOp, false>(e, {{}, range}), shape);
}

}  // namespace testing

namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

TEST(ParamsEmulation, AnyStatistics) {
  Rng rng(71);
  HostQueue queue;
  ExpectParams(
      400, rng,
      [&](TestTensor& min, TestTensor& max, Format format, TestTensor& scale, TestTensor& offset) {
        return params::RunOn(queue,
                             ParamsFromMinMaxArgs{min.view(), max.view(), format, 0, scale.view(), offset.view()});
      },
      [&](TestTensor& amax, Format format, TestTensor& scale) {
        return params::RunOn(queue, ParamsFromAmaxArgs{amax.view(), format, 0, scale.view()});
      });
}

}  // namespace
}  // namespace kvant
