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

__global__ void CompareInstructions(LaneDifferences* differences) {
  LaneDifferences mine{};
  const uint64_t threads = static_cast<uint64_t>(gridDim.x) * blockDim.x;
  for (uint64_t i = static_cast<uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i >> 32 == 0; i += threads) {
    const auto word = static_cast<uint32_t>(i), swapped = word >> 16 | word << 16;
#if __CUDA_ARCH__ >= 890
    using E4M3 = lanes::CodecOf<CudaLanes, Format::kFloat8E4M3FN>;
    using E5M2 = lanes::CodecOf<CudaLanes, Format::kFloat8E5M2>;
    const float a = CudaLanes::FloatOf(static_cast<int32_t>(word)), b = CudaLanes::FloatOf(static_cast<int32_t>(~word));
    mine.float8_e4m3fn +=
        CudaLanes::NarrowToFp8<true>(a, b) != static_cast<uint32_t>(E4M3::Encode(a) | E4M3::Encode(b) << 8);
    mine.float8_e5m2 +=
        CudaLanes::NarrowToFp8<false>(a, b) != static_cast<uint32_t>(E5M2::Encode(a) | E5M2::Encode(b) << 8);
#endif
    mine.largest_float16 += CudaPairs<Float16>::Max(word, swapped) != CudaPairs<Float16>::MaxInWords(word, swapped);
    mine.largest_bfloat16 += CudaPairs<BFloat16>::Max(word, swapped) != CudaPairs<BFloat16>::MaxInWords(word, swapped);
  }
  atomicAdd(&differences->float8_e4m3fn, mine.float8_e4m3fn);
  atomicAdd(&differences->float8_e5m2, mine.float8_e5m2);
  atomicAdd(&differences->largest_float16, mine.largest_float16);
  atomicAdd(&differences->largest_bfloat16, mine.largest_bfloat16);
}

}  // namespace

void CompareInstructionsOnDevice(LaneDifferences* differences) { CompareInstructions<<<2048, 256>>>(differences); }

void RunLanesOnDevice(const uint32_t* triples, int64_t n, uint32_t* results) {
  RunLanes<<<1024, 256>>>(triples, n, results);
}

}  // namespace kvant::testing
