// params_from_amax and params_from_minmax on a device against the CPU's.
#include "kvant/ops/params/cuda.h"

#include "kvant/ops/params/problem_test_util.h"
#include "kvant/testing/cuda_test_util.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

class ParamsCuda : public CudaTest {};

TEST_F(ParamsCuda, AnyStatistics) {
  Rng rng(72);
  ExpectParams(
      400, rng,
      [](TestTensor& min, TestTensor& max, Format format, TestTensor& scale, TestTensor& offset) {
        OnDevice device;
        const TensorView low = device(min), high = device(max);
        const bool in_place = &scale == &min;
        const Status status = cuda::ParamsFromMinMax(
            {low, high, format, 0, in_place ? low : device(scale), in_place ? high : device(offset)});
        device.Fetch();
        return status;
      },
      [](TestTensor& amax, Format format, TestTensor& scale) {
        OnDevice device;
        const Status status = cuda::ParamsFromAmax({device(amax), format, 0, device(scale)});
        device.Fetch();
        return status;
      });
}

}  // namespace
}  // namespace kvant
