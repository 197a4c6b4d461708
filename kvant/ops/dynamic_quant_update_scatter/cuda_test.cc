// The fused operator on a device against the CPU's, byte by byte.
#include "kvant/ops/dynamic_quant_update_scatter/cuda.h"

#include <vector>

#include "kvant/numerics/test_util.h"
#include "kvant/ops/dynamic_quant_update_scatter/problem_test_util.h"
#include "kvant/testing/cuda_test_util.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

class FusedCuda : public CudaTest {};

Status RunOnDevice(FusedProblem& p) {
  OnDevice device;
  DynamicQuantUpdateScatterArgs args = p.Args();
  args.updates = device(p.rows.updates);
  args.var = device(p.rows.self);
  args.var_scale = device(p.scale);
  if (!p.symmetric) args.var_offset = device(p.offset);
  args.indices = device(p.rows.indices);
  args.smooth_scales = device(p.smooth);
  cuda::Exec exec;
  exec.deterministic = true;
  const Status status = cuda::DynamicQuantUpdateScatter(args, exec);
  device.Fetch();
  return status;
}

TEST_F(FusedCuda, AnyProblem) {
  Rng rng(121);
  const std::vector<DType> tables = {DType::kFloat32, DType::kFloat16, DType::kBFloat16};
  const int rounds = CudaRounds(3000, 200000);
  for (int i = 0; i < rounds; ++i) {
    FusedProblem p = RandomFused(rng, tables[static_cast<size_t>(i) % 3]);
    ASSERT_TRUE(DynamicQuantUpdateScatter(p.Args()).ok());
    const Expected expected = Take(p);
    const Status status = RunOnDevice(p);
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(Take(p), expected) << p.Describe();
  }
}

TEST_F(FusedCuda, BadIndicesAreTold) {
  Rng rng(122);
  FusedProblem p;
  p.rows.mode = IndexMode::kSlot;
  p.rows.self = TestTensor(DType::kInt8, {3, 4, 64}, rng);
  p.rows.axis = 1;
  p.rows.updates = TestTensor(DType::kFloat16, {3, 64}, rng);
  p.rows.indices = TestTensor(DType::kInt32, {3}, rng);
  for (int64_t i = 0; i < 3; ++i) p.rows.indices.Set(i, i == 1 ? 12 : static_cast<int32_t>(i));
  p.scale = TestTensor(DType::kFloat32, {3, 4}, rng);
  p.offset = TestTensor(DType::kFloat32, {3, 4}, rng);
  p.rows.policy = IndexPolicy::kSkip;
  ASSERT_TRUE(DynamicQuantUpdateScatter(p.Args()).ok());
  const Expected expected = Take(p);
  p.rows.policy = IndexPolicy::kError;
  ASSERT_TRUE(RunOnDevice(p).ok());
  EXPECT_EQ(Take(p), expected);
  EXPECT_EQ(cuda::CheckErrors().message(),
            "dynamic_quant_update_scatter_: indices[1] is 12, expected 0 to 11, or -1 for padding");
}

}  // namespace
}  // namespace kvant
