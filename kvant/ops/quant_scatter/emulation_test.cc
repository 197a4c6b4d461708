// The CUDA kernels of quant_scatter, run on the host, against the operators that it fuses.
#include <gtest/gtest.h>

#include <vector>

#include "kvant/core/cuda_fault.cuh"
#include "kvant/numerics/test_util.h"
#include "kvant/ops/quant_scatter/cuda_plan.h"
#include "kvant/ops/quant_scatter/problem_test_util.h"
#include "kvant/testing/host_elements.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

TEST(QuantScatterEmulation, AnyProblem) {
  Rng rng(45);
  const std::vector<Format> formats = {Format::kInt8, Format::kFloat8E4M3FN, Format::kFloat8E5M2, Format::kHiFloat8};
  for (size_t rank = 3; rank <= 6; ++rank) {
    for (size_t axis = 1; axis + 1 < rank; ++axis) {
      for (const IndexMode mode : kIndexModes) {
        for (int round = 0; round < (SlowMachine() ? 8 : 40); ++round) {
          QuantScatterProblem p;
          p.format = formats[static_cast<size_t>(round) % 4];
          const bool odd = OneIn(rng, 2);
          const DType storage = p.format != Format::kInt8 && OneIn(rng, 3) ? DType::kUInt8 : StorageType(p.format);
          static_cast<ScatterProblem&>(p) =
              RandomScatter(mode, rank, axis, storage, PickFrom(rng, kFloats), {10, 300, odd}, rng);
          FillAttributes(p, odd, rng);
          const std::vector<uint8_t> expected = p.Unfused(rng);
          HostQueue queue;
          CudaFaultRecord faults;
          queue.faults = &faults;
          queue.deterministic = true;
          p.self.Reset();
          Status status = quant_scatter::RunOn(queue, p.InPlaceArgs());
          ASSERT_TRUE(status.ok()) << status.message();
          ASSERT_EQ(p.self.Bytes(), expected) << p.What();
          ASSERT_TRUE(p.self.OnlyElementsWritten() && p.InputsUntouched()) << p.What();
          p.self.Reset();
          TestTensor out(p.self.dtype(), p.self.shape(), odd ? Layout::kStrided : Layout::kContiguous, rng);
          status = quant_scatter::RunOn(queue, p.Args(out));
          ASSERT_TRUE(status.ok()) << status.message();
          ASSERT_EQ(out.Bytes(), expected) << p.What();
          ASSERT_TRUE(out.OnlyElementsWritten() && p.self.Untouched()) << p.What();
          ASSERT_EQ(faults.taken, 0u) << p.What();
        }
      }
    }
  }
}

}  // namespace
}  // namespace kvant
