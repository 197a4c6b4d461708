// pack_int4 and unpack_int4 on a device against the definition.
#include "kvant/ops/pack_int4/cuda.h"

#include "kvant/ops/pack_int4/problem_test_util.h"
#include "kvant/testing/cuda_test_util.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

class PackInt4Cuda : public CudaTest {};

TEST_F(PackInt4Cuda, AnyLayout) {
  Rng rng(82);
  ExpectNibbles(
      500, rng,
      [](TestTensor& codes, TestTensor& packed) {
        OnDevice device;
        const Status status = cuda::PackInt4({device(codes), device(packed)});
        device.Fetch();
        return status;
      },
      [](TestTensor& packed, TestTensor& codes) {
        OnDevice device;
        const Status status = cuda::UnpackInt4({device(packed), device(codes)});
        device.Fetch();
        return status;
      });
}

}  // namespace
}  // namespace kvant
