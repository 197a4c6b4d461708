// Benchmarks on a CUDA device, beside a device copy that moves as many bytes. Calls take turns with sets of buffers,
// enough of them that none is still in the L2 cache when its turn comes again.
#ifndef KVANT_TESTING_CUDA_BENCH_H_
#define KVANT_TESTING_CUDA_BENCH_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kvant/core/cuda_exec.h"
#include "kvant/testing/cuda_memory.h"

namespace kvant::bench {

// A tensor of a case: its bytes, and what every set of buffers holds of it at first.
struct CudaTensor {
  int64_t bytes;
  std::vector<uint8_t> contents;  // repeated as often as it takes; empty: any
};

struct CudaCase {
  std::string name;
  std::vector<CudaTensor> tensors;
  int64_t moved = 0;  // bytes read and written by a call
  // A call with one set of buffers, in the order of `tensors`; false if it fails.
  std::function<bool(const std::vector<char*>& buffers, const cuda::Exec& exec)> call;
};

// Adds a case; to be called while static variables are made.
bool AddCudaCase(CudaCase c);

// Numbers as a normal distribution has them, in one of the float dtypes; at most a few megabytes, for repetition.
std::vector<uint8_t> NormalBytes(int dtype_bytes, bool bfloat16);

}  // namespace kvant::bench

#endif  // KVANT_TESTING_CUDA_BENCH_H_
