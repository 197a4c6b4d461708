// The CUDA lanes on a device against the scalar ones.
#include <vector>

#include "kvant/numerics/fp_env.h"
#include "kvant/numerics/lanes_problem_test_util.h"
#include "kvant/numerics/test_util.h"
#include "kvant/testing/cuda_test_util.h"

namespace kvant {
namespace {

class CudaLanesOnDevice : public testing::CudaTest {};

TEST_F(CudaLanesOnDevice, EqualScalarLanes) {
  const FpEnv env(FpEnv::kDefault);
  for (uint64_t seed = 1; seed <= (LongTests() ? 100 : 4); ++seed) {
    const std::vector<uint32_t> patterns = testing::LanePatterns(500000, seed);
    std::vector<uint32_t> results(patterns.size() / 3 * testing::kLaneResults);
    testing::CudaMemory from(patterns.size() * 4), to(results.size() * 4);
    from.Upload(patterns.data());
    testing::RunLanesOnDevice(reinterpret_cast<const uint32_t*>(from.data()), static_cast<int64_t>(patterns.size() / 3),
                              reinterpret_cast<uint32_t*>(to.data()));
    testing::CudaWait();
    to.Download(results.data());
    testing::ExpectScalarResults(patterns, results);
  }
}

// Conversions to FP8, and the larger of two 16-bit numbers, of all of them.
TEST_F(CudaLanesOnDevice, InstructionsEqualFormulas) {
  testing::LaneDifferences found{};
  testing::CudaMemory there(sizeof(found));
  there.Upload(&found);
  testing::CompareInstructionsOnDevice(reinterpret_cast<testing::LaneDifferences*>(there.data()));
  testing::CudaWait();
  there.Download(&found);
  EXPECT_EQ(found.float8_e4m3fn, 0u);
  EXPECT_EQ(found.float8_e5m2, 0u);
  EXPECT_EQ(found.largest_float16, 0u);
  EXPECT_EQ(found.largest_bfloat16, 0u);
}

}  // namespace
}  // namespace kvant
