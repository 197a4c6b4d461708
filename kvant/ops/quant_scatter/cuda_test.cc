// quant_scatter on a device against the operators that it fuses.
#include "kvant/ops/quant_scatter/cuda.h"

#include <vector>

#include "kvant/numerics/test_util.h"
#include "kvant/ops/quant_scatter/problem_test_util.h"
#include "kvant/testing/cuda_test_util.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

class QuantScatterCuda : public CudaTest {};

TEST_F(QuantScatterCuda, AnyProblem) {
  Rng rng(145);
  const std::vector<Format> formats = {Format::kInt8, Format::kFloat8E4M3FN, Format::kFloat8E5M2, Format::kHiFloat8};
  for (size_t rank = 3; rank <= 6; ++rank) {
    for (size_t axis = 1; axis + 1 < rank; ++axis) {
      for (const IndexMode mode : kIndexModes) {
        for (int round = 0; round < 40; ++round) {
          QuantScatterProblem p;
          p.format = formats[static_cast<size_t>(round) % 4];
          const bool odd = OneIn(rng, 2);
          const DType storage = p.format != Format::kInt8 && OneIn(rng, 3) ? DType::kUInt8 : StorageType(p.format);
          static_cast<ScatterProblem&>(p) =
              RandomScatter(mode, rank, axis, storage, PickFrom(rng, kFloats), {10, 300, odd}, rng);
          FillAttributes(p, odd, rng);
          const std::vector<uint8_t> expected = p.Unfused(rng);
          p.self.Reset();
          OnDevice device;
          QuantScatterInPlaceArgs args = p.InPlaceArgs();
          args.self = device(p.self);
          args.indices = device(p.indices);
          args.updates = device(p.updates);
          args.quant_scales = device(p.scales);
          if (p.has_zero) args.quant_zero_points = device(p.zero_points);
          cuda::Exec exec;
          exec.deterministic = true;
          const Status status = cuda::QuantScatterInPlace(args, exec);
          ASSERT_TRUE(status.ok()) << status.message();
          device.Fetch();
          ASSERT_EQ(p.self.Bytes(), expected) << p.What();
          ASSERT_TRUE(p.self.OnlyElementsWritten() && p.InputsUntouched()) << p.What();
        }
      }
    }
  }
}

}  // namespace
}  // namespace kvant
