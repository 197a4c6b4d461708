// Random codes for pack_int4 and unpack_int4 on other backends, against the definition.
#ifndef KVANT_OPS_PACK_INT4_PROBLEM_TEST_UTIL_H_
#define KVANT_OPS_PACK_INT4_PROBLEM_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <vector>

#include "kvant/testing/random_problem.h"

namespace kvant::testing {

// pack(codes, packed) and unpack(packed, codes) run the operators on such tensors.
template <class Pack, class Unpack>
void ExpectNibbles(int rounds, Rng& rng, const Pack& pack, const Unpack& unpack) {
  for (int round = 0; round < rounds; ++round) {
    const DType storage = OneIn(rng, 2) ? DType::kUInt8 : DType::kInt32;
    Shape packed_shape = RandomShape(rng, Uniform(rng, 1, 5), 600), shape = packed_shape;
    shape.back() *= CodesPerElement(Format::kInt4, storage);
    const bool odd = OneIn(rng, 2);
    TestTensor codes(DType::kInt8, shape, odd ? Layout::kStrided : Layout::kContiguous, rng);
    TestTensor packed(storage, packed_shape, odd ? Layout::kPacked : Layout::kContiguous, rng);
    ASSERT_TRUE(pack(codes, packed).ok());
    EXPECT_TRUE(packed.OnlyElementsWritten());
    const std::vector<uint8_t> from = codes.Bytes(), to = packed.Bytes();
    for (size_t i = 0; i < to.size(); ++i) ASSERT_EQ(to[i], (from[2 * i] & 15) | (from[2 * i + 1] & 15) << 4);
    codes.Reset();
    ASSERT_TRUE(unpack(packed, codes).ok());
    EXPECT_TRUE(codes.OnlyElementsWritten());
    const std::vector<uint8_t> back = codes.Bytes();
    for (size_t i = 0; i < back.size(); ++i) {
      const int nibble = from[i] & 15;
      ASSERT_EQ(static_cast<int8_t>(back[i]), nibble < 8 ? nibble : nibble - 16);
    }
  }
}

}  // namespace kvant::testing

#endif  // KVANT_OPS_PACK_INT4_PROBLEM_TEST_UTIL_H_
