// dynamic_quant on a device against the formulas, byte by byte.
#include "kvant/ops/dynamic_quant/cuda.h"

#include <cstring>
#include <string>
#include <vector>

#include "kvant/numerics/test_util.h"
#include "kvant/testing/cuda_test_util.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

class DynamicQuantCuda : public CudaTest {};

std::string RunOnDevice(RowwiseProblem& p, bool workspace = true) {
  OnDevice device;
  DynamicQuantArgs args = p.DynamicArgs();
  args.x = device(p.x);
  args.smooth_scales = device(p.smooth);
  args.group_index = device(p.group_index);
  args.y = device(p.y);
  args.scale = device(p.scale);
  args.offset = device(p.offset);
  const CudaWorkspace memory(workspace || p.mode != QuantMode::kPerToken ? cuda::DynamicQuantWorkspace(args) : 0);
  const Status status = cuda::DynamicQuant(args, memory.exec());
  device.Fetch();
  return status.ok() ? "" : p.Describe() + ": " + status.message();
}

std::string Check(RowwiseProblem& p, const RowwiseProblem::Expected& expected, bool workspace = true) {
  p.Reset();
  if (std::string text = RunOnDevice(p, workspace); !text.empty()) return text;
  if (std::string text = p.Compare(expected); !text.empty()) return p.Describe() + ": " + text;
  return p.NothingElseWritten() ? "" : p.Describe() + ": more than the results was written";
}

// KVANT_LONG_TESTS: a million of them.
TEST_F(DynamicQuantCuda, AnyProblem) {
  Rng rng(101);
  const int rounds = CudaRounds(4000, 1000000);
  for (int i = 0; i < rounds; ++i) {
    const int64_t budget = OneIn(rng, 40) ? 150000 : OneIn(rng, 3) ? 20000 : LongTests() ? 300 : 3000;
    RowwiseProblem p = RandomProblem(rng, kFormats[i % 5], kFloats[i / 5 % 3],
                                     RandomShape(rng, Uniform(rng, 1, 6), budget), OneIn(rng, 2));
    ASSERT_EQ(Check(p, p.Expect(), OneIn(rng, 2)), "") << "problem " << i;
  }
}

TEST_F(DynamicQuantCuda, EveryRegime) {
  Rng rng(102);
  for (const int64_t n : {8,    16,   64,    128,   256,   512,   1024,   1032,   2048,   4096,
                          8192, 8200, 16384, 16392, 32768, 65536, 131072, 262144, 262152, 1048576}) {
    for (const DType dtype : kFloats) {
      for (const int64_t rows : {1, 3, 40, 700}) {
        if (rows * n > 1200000) continue;
        RowwiseProblem p = RandomProblem(rng, PickFrom(rng, kFormats), dtype, {rows, n}, false);
        p.mode = QuantMode::kPerToken;
        p.group_size = 0;
        p.smooth.reset();
        p.group_index.reset();
        if (OneIn(rng, 3)) {
          p.smooth.emplace(PickFrom(rng, kFloats), Shape{n}, rng);
          FillSmooth(*p.smooth, rng);
        }
        p.MakeOutputs(rng);
        FillX(p, rng);
        ASSERT_EQ(Check(p, p.Expect()), "");
      }
    }
  }
}

// The same bytes again and again.
TEST_F(DynamicQuantCuda, RunsAreAlike) {
  Rng rng(103);
  for (const QuantMode mode : kModes) {
    RowwiseProblem p = RandomProblem(rng, Format::kInt8, DType::kBFloat16, {40, 4096}, false);
    p.mode = mode;
    p.group_size = 0;
    p.smooth.reset();
    p.group_index.reset();
    p.MakeOutputs(rng);
    FillX(p, rng);
    const RowwiseProblem::Expected expected = p.Expect();
    for (int i = 0; i < 50; ++i) ASSERT_EQ(Check(p, expected), "");
  }
}

// A call allocates nothing and waits for nothing, or a stream that is being captured would refuse it.
TEST_F(DynamicQuantCuda, CanBeCaptured) {
  Rng rng(107);
  for (const QuantMode mode : kModes) {
    RowwiseProblem p;
    p.mode = mode;
    p.x = TestTensor(DType::kBFloat16, {40, 1024}, rng);
    p.MakeOutputs(rng);
    FillX(p, rng);
    const RowwiseProblem::Expected expected = p.Expect();
    ASSERT_EQ(Check(p, expected), "");  // loads the kernels
    p.Reset();
    OnDevice device;
    DynamicQuantArgs args = p.DynamicArgs();
    args.x = device(p.x);
    args.y = device(p.y);
    args.scale = device(p.scale);
    args.offset = device(p.offset);
    const CudaWorkspace memory(cuda::DynamicQuantWorkspace(args));
    CudaTimer timer;
    struct Call {
      const DynamicQuantArgs* args;
      cuda::Exec exec;
      bool ok;
    } call{&args, memory.exec(), true};
    call.exec.stream = timer.stream();
    CudaWait();  // for what the stream of the timer does not wait for
    const double time = timer.GraphTime(
        [](void* arg, int) {
          auto& c = *static_cast<Call*>(arg);
          c.ok = c.ok && cuda::DynamicQuant(*c.args, c.exec).ok();
        },
        &call, 3);
    EXPECT_TRUE(call.ok && time > 0);
    device.Fetch();
    ASSERT_EQ(p.Compare(expected), "");
  }
}

// More than 2^31 elements, and far more than 65,535 rows; all rows of x are one.
TEST_F(DynamicQuantCuda, LargeTensors) {
  Rng rng(106);
  constexpr int64_t kColumns = 1024, kRows = (int64_t{1} << 21) + 77;
  RowwiseProblem p;
  p.x = TestTensor(DType::kFloat16, {1, kColumns}, rng);
  p.MakeOutputs(rng);
  FillX(p, rng);
  const RowwiseProblem::Expected expected = p.Expect();
  ASSERT_EQ(Check(p, expected), "");
  const std::vector<uint8_t> row = p.y.Bytes();
  OnDevice device;
  CudaMemory y(kRows * kColumns), scale(kRows * 4), offset(kRows * 4);
  y.Fill(0x77);
  DynamicQuantArgs args = p.DynamicArgs();
  const TensorView x = device(p.x);
  args.x = ConstTensorView(x.data(), DType::kFloat16, {kRows, kColumns}, {0, 1});
  args.y = TensorView(y.data(), DType::kInt8, {kRows, kColumns});
  args.scale = TensorView(scale.data(), DType::kFloat32, {kRows});
  args.offset = TensorView(offset.data(), DType::kFloat32, {kRows});
  args.x.set_device(Device::kCuda);
  for (TensorView* t : {&args.y, &args.scale, &args.offset}) t->set_device(Device::kCuda);
  ASSERT_TRUE(cuda::DynamicQuant(args).ok());
  CudaWait();
  std::vector<uint8_t> codes(static_cast<size_t>(kRows * kColumns));
  std::vector<float> scales(kRows);
  y.Download(codes.data());
  scale.Download(scales.data());
  for (int64_t r = 0; r < kRows; ++r) {
    const auto at = static_cast<size_t>(r);
    ASSERT_EQ(std::memcmp(codes.data() + at * kColumns, row.data(), kColumns), 0) << "row " << r;
    ASSERT_EQ(scales[at], p.scale.Get<float>(0)) << "row " << r;
  }
}

TEST_F(DynamicQuantCuda, BadGroupsAreTold) {
  Rng rng(104);
  RowwiseProblem p;
  p.x = TestTensor(DType::kFloat16, {6, 64}, rng);
  p.smooth.emplace(DType::kFloat32, Shape{2, 64}, rng);
  FillSmooth(*p.smooth, rng);
  p.group_index = TestTensor(DType::kInt64, {2}, rng);
  p.group_index->Set<int64_t>(0, 2);
  p.group_index->Set<int64_t>(1, 4);
  p.group_index->Keep();
  p.MakeOutputs(rng);
  FillX(p, rng);
  ASSERT_EQ(RunOnDevice(p), "");
  EXPECT_EQ(cuda::CheckErrors().message(), "dynamic_quant: group_index[1] is 4, the last end, but x has 6 rows");
  EXPECT_TRUE(cuda::CheckErrors().ok());
  EXPECT_TRUE(p.NothingElseWritten());
  for (int64_t i = 4 * 64; i < 6 * 64; ++i) ASSERT_EQ(*p.y.At(i), 0);
}

TEST_F(DynamicQuantCuda, TensorsAreOnTheDevice) {
  Rng rng(105);
  RowwiseProblem p;
  p.x = TestTensor(DType::kFloat16, {2, 8}, rng);
  p.MakeOutputs(rng);
  EXPECT_EQ(cuda::DynamicQuant(p.DynamicArgs()).message(), "dynamic_quant: x is on the CPU, expected a CUDA tensor");
}

}  // namespace
}  // namespace kvant
