// The CUDA kernels of pack_int4 and unpack_int4, run on the host, against the definition.
#include <gtest/gtest.h>

#include "kvant/ops/pack_int4/cuda.cuh"
#include "kvant/ops/pack_int4/cuda_run.h"
#include "kvant/ops/pack_int4/problem_test_util.h"
#include "kvant/testing/host_queue.h"

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
  HostQueue queue;
  ExpectNibbles(
      500, rng,
      [&](TestTensor& codes, TestTensor& packed) {
        return pack_int4::RunOn(queue, PackInt4Args{codes.view(), packed.view()});
      },
      [&](TestTensor& packed, TestTensor& codes) {
        return pack_int4::RunOn(queue, UnpackInt4Args{packed.view(), codes.view()});
      });
}

}  // namespace
}  // namespace kvant
