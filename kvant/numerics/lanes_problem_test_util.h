// Patterns for tests of the CUDA lanes: special values, their neighbours, and any bits.
#ifndef KVANT_NUMERICS_LANES_PROBLEM_TEST_UTIL_H_
#define KVANT_NUMERICS_LANES_PROBLEM_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <iterator>
#include <vector>

#include "kvant/testing/cuda_lanes.cuh"
#include "kvant/testing/tensors.h"

namespace kvant::testing {

// Three to a row.
inline std::vector<uint32_t> LanePatterns(int64_t random, uint64_t seed) {
  constexpr uint32_t kSpecial[] = {0,          1,          0x007FFFFF, 0x00800000, 0x33000000, 0x387FC000, 0x38800000,
                                   0x3F000000, 0x3F800000, 0x3FC00000, 0x43000000, 0x43E00000, 0x477FF000, 0x477FE000,
                                   0x47000000, 0x47200000, 0x4B000001, 0x7F7FFFFF, 0x7F800000, 0x7F800001, 0x7FC00000};
  constexpr auto kCount = static_cast<uint32_t>(std::size(kSpecial));
  Rng rng(seed);
  const auto special = [&](uint64_t i) {
    const uint32_t sign = i / kCount % 2 == 0 ? 0 : 0x80000000u;
    return (kSpecial[i % kCount] ^ sign) + static_cast<uint32_t>(i / kCount / 2 % 3) - 1;
  };
  std::vector<uint32_t> patterns;
  for (uint64_t i = 0; i < kCount * 6; ++i) {
    for (uint64_t j = 0; j < kCount * 6; ++j) patterns.insert(patterns.end(), {special(i), special(j), special(rng())});
  }
  for (int64_t i = 0; i < random; ++i) {
    const bool near = OneIn(rng, 2);  // around 1, where sums round
    for (int k = 0; k < 3; ++k) {
      const auto bits = static_cast<uint32_t>(rng());
      patterns.push_back(near ? (bits & 0x80FFFFFFu) | 0x3E000000u : bits);
    }
  }
  return patterns;
}

// What the scalar lanes make of them is what `results` holds.
inline void ExpectScalarResults(const std::vector<uint32_t>& patterns, const std::vector<uint32_t>& results) {
  for (size_t i = 0; i < patterns.size() / 3; ++i) {
    uint32_t expected[kLaneResults];
    lanes::Results<ScalarLanes>(patterns[3 * i], patterns[3 * i + 1], patterns[3 * i + 2], expected);
    for (int k = 0; k < kLaneResults; ++k) {
      ASSERT_EQ(results[i * kLaneResults + static_cast<size_t>(k)], expected[k])
          << "result " << k << std::hex << " of " << patterns[3 * i] << ", " << patterns[3 * i + 1] << ", "
          << patterns[3 * i + 2];
    }
    ASSERT_EQ(expected[kExactQuotients[0]] & expected[kExactQuotients[1]], 1u) << "a quotient is not exact";
  }
}

}  // namespace kvant::testing

#endif  // KVANT_NUMERICS_LANES_PROBLEM_TEST_UTIL_H_
