// Benchmarks on a CUDA device, beside a device copy that moves as many bytes. Calls take turns with sets of buffers,
// enough of them that none is still in the L2 cache when its turn comes again.
#ifndef KVANT_TESTING_CUDA_BENCH_H_
#define KVANT_TESTING_CUDA_BENCH_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kvant/core/cuda_exec.h"
#include "kvant/core/tensor.h"
#include "kvant/testing/cuda_memory.h"

namespace kvant::bench {

// What a tensor holds at first, repeated as often as it takes; made when its case is run. Empty: any bytes.
using Contents = std::function<std::vector<uint8_t>()>;

// A tensor of a case.
struct CudaTensor {
  int64_t bytes;
  Contents contents;
};

// What a case is measured for; the summary counts those that miss it.
enum class Goal : uint8_t {
  kNone,
  kBandwidth,  // 90 % of the copy's bandwidth
  kLatency,    // 3 microseconds
};

struct CudaCase {
  std::string name;  // op/shape/dtype/format/..., which scripts/bench_cuda_peers.py reads
  std::vector<CudaTensor> tensors;
  int64_t moved = 0;  // bytes read and written by a call
  // A call with one set of buffers, in the order of `tensors`; false if it fails.
  std::function<bool(const std::vector<char*>& buffers, const cuda::Exec& exec)> call;
  Goal goal = Goal::kNone;
  bool quick = false;  // one of --quick
};

// Adds a case; to be called while static variables are made. One whose name there is already is left out.
void AddCudaCase(CudaCase c);

// Bandwidth for 64 MiB and more of rows of 512 to 16384 elements, latency for 1 to 16 rows of up to 8192. Rows of
// scatters are tokens.
Goal GoalOf(int64_t rows, int64_t columns, int64_t moved);

inline constexpr int64_t kGoalBytes = 64 << 20;

// Row lengths that stand for all multiples of 8 from 512 to 16384.
inline constexpr int64_t kRowLengths[] = {512,  520,  768,  1000, 1024, 1536,  2048,  2056,  3072,  3584,  4096,
                                          5000, 5120, 6144, 7168, 8192, 11008, 12288, 14336, 14344, 16376, 16384};
// Fewer, for operators that differ little by length.
inline constexpr int64_t kFewRowLengths[] = {512, 520, 1000, 2056, 4096, 7168, 8192, 11008, 14344};
// Whether it is one of the lengths of --quick.
bool QuickLength(int64_t columns);

// Rows of `row_bytes` that make at least `bytes`.
constexpr int64_t RowsFor(int64_t bytes, int64_t row_bytes) { return (bytes + row_bytes - 1) / row_bytes; }

// Tokens of cases that scatter or gather, of kHeads x kHeadDim, and the cache: pages of kPage slots, of which the
// tokens' are random ones.
inline constexpr int64_t kTokens[] = {1, 16, 1024, 65536};
inline constexpr int64_t kHeads = 8, kHeadDim = 128, kPage = 16;
constexpr int64_t PagesFor(int64_t tokens) { return tokens < 16 ? 4 : 4 * tokens / kPage; }
// The int64 indices of `tokens` distinct slots.
Contents RandomSlots(int64_t tokens);

// A normal distribution in a float dtype; the same times `factor` as int32.
Contents Normal(DType dtype);
Contents NormalInt32(float factor);
// One float32.
Contents Constant(float value);
// Bytes that are ordinary numbers in every format: of FP8 around 1.
Contents Codes();

template <class... Views>
void OnDevice(Views&... views) {
  (views.set_device(Device::kCuda), ...);
}

}  // namespace kvant::bench

#endif  // KVANT_TESTING_CUDA_BENCH_H_
