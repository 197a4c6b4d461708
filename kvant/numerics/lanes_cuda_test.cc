// The CUDA lanes, as they are compiled for the host, against the scalar ones.
#include <vector>

#include "kvant/numerics/fp_env.h"
#include "kvant/numerics/lanes_problem_test_util.h"
#include "kvant/numerics/test_util.h"

namespace kvant {
namespace {

using testing::kLaneResults;

TEST(CudaLanes, EqualScalarLanesOnTheHost) {
  const FpEnv env(FpEnv::kDefault);
  const std::vector<uint32_t> patterns = testing::LanePatterns(SlowMachine() ? 20000 : 200000, 1);
  std::vector<uint32_t> results;
  for (size_t i = 0; i < patterns.size(); i += 3) {
    uint32_t out[kLaneResults];
    testing::lanes::Results<CudaLanes>(patterns[i], patterns[i + 1], patterns[i + 2], out);
    results.insert(results.end(), out, out + kLaneResults);
  }
  testing::ExpectScalarResults(patterns, results);
}

}  // namespace
}  // namespace kvant
