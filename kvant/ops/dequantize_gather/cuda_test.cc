// dequantize_gather on a device against dequantize of the whole cache.
#include "kvant/ops/dequantize_gather/cuda.h"

#include <vector>

#include "kvant/numerics/test_util.h"
#include "kvant/ops/dequantize_gather/problem_test_util.h"
#include "kvant/testing/cuda_test_util.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

class DequantizeGatherCuda : public CudaTest {};

TEST_F(DequantizeGatherCuda, AnyProblem) {
  Rng rng(143);
  const int rounds = CudaRounds(2000, 100000);
  for (int round = 0; round < rounds; ++round) {
    GatherProblem p = RandomGather(rng);
    const std::vector<uint8_t> expected = p.Expected();
    p.rows.updates.Reset();
    OnDevice device;
    DequantizeGatherArgs args = p.Args();
    args.var = device(p.rows.self);
    args.var_scale = device(p.scale);
    if (p.has_offset) args.var_offset = device(p.offset);
    args.indices = device(p.rows.indices);
    args.x = device(p.rows.updates);
    const Status status = cuda::DequantizeGather(args);
    ASSERT_TRUE(status.ok()) << status.message();
    device.Fetch();
    ASSERT_EQ(p.rows.updates.Bytes(), expected) << p.rows.Describe();
    ASSERT_TRUE(p.rows.updates.OnlyElementsWritten());
  }
}

}  // namespace
}  // namespace kvant
