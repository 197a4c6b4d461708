#include "kvant/testing/cuda_lanes.cuh"

namespace kvant::testing {
namespace {

__global__ void RunLanes(const uint32_t* triples, int64_t n, uint32_t* results) {
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n;
       i += static_cast<int64_t>(gridDim.x) * blockDim.x) {
    uint32_t out[kLaneResults];
    lanes::Results<CudaLanes>(triples[3 * i], triples[3 * i + 1], triples[3 * i + 2], out);
    for (int k = 0; k < kLaneResults; ++k) results[i * kLaneResults + k] = out[k];
  }
}

}  // namespace

void RunLanesOnDevice(const uint32_t* triples, int64_t n, uint32_t* results) {
  RunLanes<<<1024, 256>>>(triples, n, results);
}

}  // namespace kvant::testing
