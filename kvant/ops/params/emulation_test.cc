// The CUDA kernel of params_from_amax and params_from_minmax, run on the host, against the CPU's.
#include <gtest/gtest.h>

#include <vector>

#include "kvant/ops/params/cuda.cuh"
#include "kvant/ops/params/cuda_run.h"
#include "kvant/testing/host_queue.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace testing {

Status LaunchParams(HostQueue& queue, const params::CudaRange& range, const CudaElements& e, const CudaShape& shape) {
  return RunOnHost(queue, cuda::GridKernel<cuda::ParamsOp>{e, {range}}, shape);
}

}  // namespace testing

namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

TEST(ParamsEmulation, AnyStatistics) {
  Rng rng(71);
  for (int round = 0; round < 400; ++round) {
    const Shape shape = RandomShape(rng, Uniform(rng, 1, 4), 600);
    const auto layout = [&] { return OneIn(rng, 2) ? Layout::kStrided : Layout::kContiguous; };
    TestTensor min(DType::kFloat32, shape, layout(), rng), max(DType::kFloat32, shape, layout(), rng);
    min.ForEach([&](int64_t i, const uint8_t*) {
      const bool empty = OneIn(rng, 10);
      min.SetFloat(i, empty ? INFINITY : OneIn(rng, 4) ? AnyFloat(rng) : Moderate(rng));
      max.SetFloat(i, empty ? -INFINITY : OneIn(rng, 4) ? AnyFloat(rng) : Moderate(rng));
    });
    min.Keep();
    max.Keep();
    TestTensor scale(DType::kFloat32, shape, layout(), rng), offset(DType::kFloat32, shape, layout(), rng);
    const Format format = PickFrom(rng, kFormats);
    ParamsFromMinMaxArgs args{min.view(), max.view(), format, 0, scale.view(), offset.view()};
    ASSERT_TRUE(ParamsFromMinMax(args).ok());
    const std::vector<uint8_t> scales = scale.Bytes(), offsets = offset.Bytes();
    scale.Reset();
    offset.Reset();
    HostQueue queue;
    ASSERT_TRUE(params::RunOn(queue, args).ok());
    ASSERT_EQ(scale.Bytes(), scales);
    ASSERT_EQ(offset.Bytes(), offsets);
    EXPECT_TRUE(scale.OnlyElementsWritten() && offset.OnlyElementsWritten());
    // In place.
    args.scale = min.view();
    args.offset = max.view();
    ASSERT_TRUE(params::RunOn(queue, args).ok());
    EXPECT_EQ(min.Bytes(), scales);
    EXPECT_EQ(max.Bytes(), offsets);
    min.Reset();
    ParamsFromAmaxArgs amax{min.view(), format, 0, scale.view()};
    ASSERT_TRUE(ParamsFromAmax(amax).ok());
    const std::vector<uint8_t> symmetric = scale.Bytes();
    scale.Reset();
    ASSERT_TRUE(params::RunOn(queue, amax).ok());
    EXPECT_EQ(scale.Bytes(), symmetric);
  }
}

}  // namespace
}  // namespace kvant
