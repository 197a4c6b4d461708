// row_minmax, row_amax and quantize_with_params on a device against the formulas.
#include "kvant/ops/quantize_with_params/cuda.h"

#include <vector>

#include "kvant/numerics/test_util.h"
#include "kvant/ops/row_stats/cuda.h"
#include "kvant/testing/cuda_test_util.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

class PartsCuda : public CudaTest {};

TEST_F(PartsCuda, AnyProblem) {
  Rng rng(161);
  const int rounds = CudaRounds(1500, 100000);
  for (int i = 0; i < rounds; ++i) {
    RowwiseProblem p = RandomProblem(rng, kFormats[i % 5], kFloats[i / 5 % 3],
                                     RandomShape(rng, Uniform(rng, 1, 5), OneIn(rng, 3) ? 20000 : 2000), OneIn(rng, 2));
    const RowwiseProblem::Expected expected = p.Expect();
    TestTensor min(DType::kFloat32, p.ParamShape(), Layout::kStrided, rng), max = min, amax = min;
    {
      OnDevice device;
      RowStatsArgs args = p.StatsArgs();
      args.x = device(p.x);
      args.smooth_scales = device(p.smooth);
      args.group_index = device(p.group_index);
      args.min = device(min);
      args.max = device(max);
      const CudaWorkspace memory(cuda::RowStatsWorkspace(args));
      Status status = cuda::RowMinMax(args, memory.exec());
      ASSERT_TRUE(status.ok()) << status.message();
      args.amax = device(amax);
      status = cuda::RowAmax(args, memory.exec());
      ASSERT_TRUE(status.ok()) << status.message();
      device.Fetch();
    }
    for (size_t k = 0; k < expected.statistics.size(); ++k) {
      const auto at = static_cast<int64_t>(k);
      ASSERT_EQ(min.Get<uint32_t>(at), BitsOf(expected.statistics[k].min)) << p.Describe();
      ASSERT_EQ(max.Get<uint32_t>(at), BitsOf(expected.statistics[k].max)) << p.Describe();
      ASSERT_EQ(amax.Get<uint32_t>(at), BitsOf(expected.statistics[k].amax)) << p.Describe();
      p.scale.Set(at, expected.params[k].scale);
      if (p.offset) p.offset->Set(at, expected.params[k].offset);
    }
    p.y.Reset();
    OnDevice device;
    QuantizeWithParamsArgs args = p.QuantizeArgs();
    args.x = device(p.x);
    args.scale = device(p.scale);
    args.offset = device(p.offset);
    args.smooth_scales = device(p.smooth);
    args.group_index = device(p.group_index);
    args.y = device(p.y);
    const Status status = cuda::QuantizeWithParams(args);
    ASSERT_TRUE(status.ok()) << status.message();
    device.Fetch();
    ASSERT_EQ(p.CompareCodes(expected.codes), "") << p.Describe();
    ASSERT_TRUE(p.y.OnlyElementsWritten());
  }
}

}  // namespace
}  // namespace kvant
