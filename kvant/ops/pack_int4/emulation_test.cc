// The CUDA kernels of pack_int4 and unpack_int4, run on the host, against the definition.
#include <gtest/gtest.h>

#include <vector>

#include "kvant/ops/pack_int4/cuda.cuh"
#include "kvant/ops/pack_int4/cuda_run.h"
#include "kvant/testing/host_queue.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace testing {

Status LaunchPackInt4(HostQueue& queue, bool packs, const CudaElements& e, const CudaShape& shape) {
  return cuda::DispatchPackInt4(packs, e, [&](const auto& kernel) { return RunOnHost(queue, kernel, shape); });
}

}  // namespace testing

namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

TEST(PackInt4Emulation, AnyLayout) {
  Rng rng(81);
  for (int round = 0; round < 500; ++round) {
    const DType storage = OneIn(rng, 2) ? DType::kUInt8 : DType::kInt32;
    Shape packed_shape = RandomShape(rng, Uniform(rng, 1, 5), 600), shape = packed_shape;
    shape.back() *= CodesPerElement(Format::kInt4, storage);
    const bool odd = OneIn(rng, 2);
    TestTensor codes(DType::kInt8, shape, odd ? Layout::kStrided : Layout::kContiguous, rng);
    TestTensor packed(storage, packed_shape, odd ? Layout::kPacked : Layout::kContiguous, rng);
    HostQueue queue;
    PackInt4Args pack{codes.view(), packed.view()};
    ASSERT_TRUE(pack_int4::RunOn(queue, pack).ok());
    EXPECT_TRUE(packed.OnlyElementsWritten());
    const std::vector<uint8_t> from = codes.Bytes(), to = packed.Bytes();
    for (size_t i = 0; i < to.size(); ++i) ASSERT_EQ(to[i], (from[2 * i] & 15) | (from[2 * i + 1] & 15) << 4);
    codes.Reset();
    UnpackInt4Args unpack{packed.view(), codes.view()};
    ASSERT_TRUE(pack_int4::RunOn(queue, unpack).ok());
    EXPECT_TRUE(codes.OnlyElementsWritten());
    const std::vector<uint8_t> back = codes.Bytes();
    for (size_t i = 0; i < back.size(); ++i) {
      const int nibble = from[i] & 15;
      ASSERT_EQ(static_cast<int8_t>(back[i]), nibble < 8 ? nibble : nibble - 16);
    }
  }
}

}  // namespace
}  // namespace kvant
