// The CUDA kernels of dynamic_quant, run on the host, against the formulas: every format, layout, mode and regime.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kvant/core/cuda_fault.cuh"
#include "kvant/numerics/test_util.h"
#include "kvant/ops/dynamic_quant/cuda_plan.h"
#include "kvant/testing/host_queue.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace {

using testing::FillX;
using testing::HostQueue;
using testing::kFloats;
using testing::kFormats;
using testing::OneIn;
using testing::PickFrom;
using testing::RandomProblem;
using testing::Rng;
using testing::RowwiseProblem;
using testing::Shape;
using testing::TestTensor;
using testing::Uniform;

// A queue with memory, as a device with `sms` multiprocessors.
struct Emulated {
  std::vector<uint64_t> memory;
  CudaFaultRecord faults;
  HostQueue queue;

  Emulated(int sms, int capability, size_t bytes) : memory(bytes / 8 + 1, 0xABABABABABABABABu) {
    queue.traits = {sms, capability};
    queue.faults = &faults;
    queue.workspace = memory.data();
    queue.workspace_bytes = bytes;
  }
};

std::string Check(RowwiseProblem& p, const RowwiseProblem::Expected& expected, HostQueue& queue) {
  p.Reset();
  const Status status = dynamic_quant::RunOn(queue, p.DynamicArgs());
  if (!status.ok()) return p.Describe() + ": " + status.message();
  if (std::string text = p.Compare(expected); !text.empty()) return p.Describe() + ": " + text;
  return p.NothingElseWritten() ? "" : p.Describe() + ": more than the results was written";
}

TEST(DynamicQuantEmulation, AnyProblem) {
  Rng rng(11);
  const int rounds = SlowMachine() ? 300 : 3000;
  int faults = 0;
  for (int i = 0; i < rounds; ++i) {
    const int64_t budget = OneIn(rng, 40) ? 150000 : OneIn(rng, 3) ? 20000 : 3000;
    RowwiseProblem p = RandomProblem(rng, kFormats[i % 5], kFloats[i / 5 % 3],
                                     testing::RandomShape(rng, Uniform(rng, 1, 6), budget), OneIn(rng, 2));
    Emulated device(PickFrom(rng, std::vector<int>{1, 4, 132}), OneIn(rng, 2) ? 90 : 80, size_t{1} << 22);
    ASSERT_EQ(Check(p, p.Expect(), device.queue), "") << "problem " << i;
    faults += static_cast<int>(device.faults.taken);
  }
  EXPECT_EQ(faults, 0);
}

// Rows of every length that RowKernel takes in a way of its own, few and many of them.
TEST(DynamicQuantEmulation, EveryRegime) {
  Rng rng(12);
  for (const int64_t n :
       {8, 16, 64, 128, 256, 512, 1024, 1032, 2048, 4096, 8192, 8200, 16384, 16392, 32768, 65536, 131072}) {
    for (const DType dtype : kFloats) {
      for (const int64_t rows : {1, 3, 40}) {
        if (rows * n > 400000) continue;
        const Format format = PickFrom(rng, kFormats);
        RowwiseProblem p = RandomProblem(rng, format, dtype, {rows, n}, false);
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
        const RowwiseProblem::Expected expected = p.Expect();
        for (const int sms : {1, 8, 132}) {
          for (const int capability : {80, 90}) {
            Emulated device(sms, capability, 1 << 20);
            ASSERT_EQ(Check(p, expected, device.queue), "") << sms << " multiprocessors, " << capability;
            EXPECT_EQ(device.queue.launches, n * ByteSize(dtype) > 65536 && capability < 90 && rows <= 40 ? 2 : 1) << n;
          }
        }
      }
    }
  }
}

// Without workspace, where it only helps.
TEST(DynamicQuantEmulation, NeedsNoWorkspacePerToken) {
  Rng rng(13);
  RowwiseProblem p = RandomProblem(rng, Format::kInt8, DType::kFloat32, {2, 70001}, false);
  p.mode = QuantMode::kPerToken;
  p.group_size = 0;
  p.smooth.reset();
  p.group_index.reset();
  p.MakeOutputs(rng);
  FillX(p, rng);
  Emulated device(132, 90, 0);
  device.queue.workspace = nullptr;
  EXPECT_EQ(Check(p, p.Expect(), device.queue), "");
  p.mode = QuantMode::kPerTensor;
  p.MakeOutputs(rng);
  EXPECT_EQ(dynamic_quant::RunOn(device.queue, p.DynamicArgs()).message(),
            "dynamic_quant: workspace has 0 bytes, expected 8192, aligned to 16");
  EXPECT_TRUE(p.NothingWritten());
}

// Ends that do not fit leave rows without a group, whose results are zeros, and are recorded once.
TEST(DynamicQuantEmulation, BadGroupsAreRecorded) {
  Rng rng(14);
  for (const bool aligned : {true, false}) {
    RowwiseProblem p;
    p.x = TestTensor(DType::kBFloat16, {6, aligned ? 64 : 63}, rng);
    p.smooth.emplace(DType::kFloat32, Shape{2, aligned ? 64 : 63}, rng);
    FillSmooth(*p.smooth, rng);
    p.group_index = TestTensor(DType::kInt64, {2}, rng);
    p.group_index->Set<int64_t>(0, 2);
    p.group_index->Set<int64_t>(1, 6);
    p.group_index->Keep();
    p.MakeOutputs(rng);
    FillX(p, rng);
    RowwiseProblem::Expected expected = p.Expect();
    Emulated device(132, 90, 0);
    ASSERT_EQ(Check(p, expected, device.queue), "");
    EXPECT_EQ(device.faults.taken, 0u);
    p.group_index->Set<int64_t>(1, 4);
    p.group_index->Keep();
    for (size_t row = 4; row < 6; ++row) {
      expected.params[row] = {0, 0};
      std::fill_n(expected.codes.begin() + static_cast<int64_t>(row) * p.x.shape()[1], p.x.shape()[1], uint8_t{0});
    }
    ASSERT_EQ(Check(p, expected, device.queue), "");
    EXPECT_EQ(Describe(device.faults.op, device.faults.fault).message(),
              "dynamic_quant: group_index[1] is 4, the last end, but x has 6 rows");
    // The first one stays.
    p.group_index->Set<int64_t>(0, -7);
    p.group_index->Keep();
    p.Reset();
    EXPECT_TRUE(dynamic_quant::RunOn(device.queue, p.DynamicArgs()).ok());
    EXPECT_EQ(device.faults.fault.value, 4);
    EXPECT_TRUE(p.NothingElseWritten());
  }
}

TEST(DynamicQuantEmulation, TensorsAreWhereTheQueueIs) {
  Rng rng(15);
  RowwiseProblem p;
  p.x = TestTensor(DType::kFloat16, {2, 8}, rng);
  p.MakeOutputs(rng);
  Emulated device(132, 90, 0);
  device.queue.device = Device::kCuda;
  EXPECT_EQ(dynamic_quant::RunOn(device.queue, p.DynamicArgs()).message(),
            "dynamic_quant: x is on the CPU, expected a CUDA tensor");
}

}  // namespace
}  // namespace kvant
