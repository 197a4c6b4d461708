// Elementwise CUDA kernels on the host (host_queue.h).
#ifndef KVANT_TESTING_HOST_ELEMENTS_H_
#define KVANT_TESTING_HOST_ELEMENTS_H_

#include "kvant/ops/dequantize/cuda.cuh"
#include "kvant/ops/quantize/cuda.cuh"
#include "kvant/testing/host_queue.h"

namespace kvant::testing {

inline Status LaunchQuantize(HostQueue& queue, const quantize::CudaParameters& p, const CudaElements& e,
                             const CudaShape& shape) {
  return cuda::DispatchQuantize(p, e, [&](const auto& kernel) { return RunOnHost(queue, kernel, shape); });
}

inline Status LaunchDequantize(HostQueue& queue, const dequantize::CudaFormats& f, const CudaElements& e,
                               const CudaShape& shape) {
  return cuda::DispatchDequantize(f, e, [&](const auto& kernel) { return RunOnHost(queue, kernel, shape); });
}

}  // namespace kvant::testing

#endif  // KVANT_TESTING_HOST_ELEMENTS_H_
