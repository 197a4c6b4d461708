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

TEST(CudaPairs, AreTwoIntegers) {
  testing::Rng rng(2);
  for (int i = 0; i < 100000; ++i) {
    const auto a = static_cast<uint32_t>(rng()), b = testing::OneIn(rng, 4) ? a : static_cast<uint32_t>(rng());
    const auto low = [](uint32_t v) { return static_cast<int16_t>(v); };
    const auto high = [](uint32_t v) { return static_cast<int16_t>(v >> 16); };
    const uint32_t min = CudaPairs::MinS(a, b), max = CudaPairs::MaxS(a, b), ordered = CudaPairs::Ordered(a);
    ASSERT_EQ(low(min), std::min(low(a), low(b)));
    ASSERT_EQ(high(min), std::min(high(a), high(b)));
    ASSERT_EQ(low(max), std::max(low(a), low(b)));
    ASSERT_EQ(high(max), std::max(high(a), high(b)));
    ASSERT_EQ(low(ordered), low(a) < 0 ? low(a) ^ 0x7FFF : low(a));
    ASSERT_EQ(high(ordered), high(a) < 0 ? high(a) ^ 0x7FFF : high(a));
    ASSERT_EQ(CudaPairs::Ordered(ordered), a);
  }
}

}  // namespace
}  // namespace kvant
