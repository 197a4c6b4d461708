// Random statistics for params_from_amax and params_from_minmax on other backends, against the CPU's results.
#ifndef KVANT_OPS_PARAMS_PROBLEM_TEST_UTIL_H_
#define KVANT_OPS_PARAMS_PROBLEM_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <vector>

#include "kvant/ops/params/params.h"
#include "kvant/testing/random_problem.h"

namespace kvant::testing {

// from_minmax(min, max, format, scale, offset) and from_amax(amax, format, scale) run the operators on such tensors.
template <class FromMinMax, class FromAmax>
void ExpectParams(int rounds, Rng& rng, const FromMinMax& from_minmax, const FromAmax& from_amax) {
  for (int round = 0; round < rounds; ++round) {
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
    ASSERT_TRUE(ParamsFromMinMax({min.view(), max.view(), format, 0, scale.view(), offset.view()}).ok());
    const std::vector<uint8_t> scales = scale.Bytes(), offsets = offset.Bytes();
    scale.Reset();
    offset.Reset();
    ASSERT_TRUE(from_minmax(min, max, format, scale, offset).ok());
    ASSERT_EQ(scale.Bytes(), scales);
    ASSERT_EQ(offset.Bytes(), offsets);
    EXPECT_TRUE(scale.OnlyElementsWritten() && offset.OnlyElementsWritten() && min.Untouched() && max.Untouched());
    ASSERT_TRUE(ParamsFromAmax({min.view(), format, 0, scale.view()}).ok());
    const std::vector<uint8_t> symmetric = scale.Bytes();
    scale.Reset();
    ASSERT_TRUE(from_amax(min, format, scale).ok());
    ASSERT_EQ(scale.Bytes(), symmetric);
    // In place.
    ASSERT_TRUE(from_minmax(min, max, format, min, max).ok());
    EXPECT_EQ(min.Bytes(), scales);
    EXPECT_EQ(max.Bytes(), offsets);
  }
}

}  // namespace kvant::testing

#endif  // KVANT_OPS_PARAMS_PROBLEM_TEST_UTIL_H_
