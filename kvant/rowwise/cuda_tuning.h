// How rows are spread over a GPU: which regime a problem is in, by tables. Nothing here changes a result. The numbers
// are first guesses from the hardware's limits, not measurements: docs/CUDA.md says what has been measured.
#ifndef KVANT_ROWWISE_CUDA_TUNING_H_
#define KVANT_ROWWISE_CUDA_TUNING_H_

#include <algorithm>
#include <cstdint>

#include "kvant/rowwise/cuda_team.cuh"

namespace kvant {

// What is known of a device, or of the family it belongs to.
struct CudaTraits {
  int sms = 132;
  int capability = 90;
};

struct CudaTuning {
  int from_capability;
  int many_threads;   // of the block that has a row of registers, where there are rows for all multiprocessors
  int short_threads;  // of a block of short rows, and of blocks without a row of their own
  int max_cluster;    // blocks that may share a row; 1: there are no clusters
  int waves;          // blocks of `short_threads` to a multiprocessor that a grid is cut off at
};
inline constexpr CudaTuning kCudaTunings[] = {
    {100, 256, 256, 8, 32},
    {90, 256, 256, 8, 32},
    {0, 256, 256, 1, 32},
};

inline const CudaTuning& TuningOf(const CudaTraits& traits) {
  for (const CudaTuning& t : kCudaTunings) {
    if (traits.capability >= t.from_capability) return t;
  }
  return kCudaTunings[std::size(kCudaTunings) - 1];
}

// 16-byte words that a thread of RowKernel can hold.
inline constexpr int kVectorChoices[] = {1, 2, 4};

inline constexpr int kWarp = 32;
inline constexpr int kMostThreads = 1024;

inline int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int PowerFrom(int64_t n, int least) {
  int power = least;
  while (power < n) power *= 2;
  return power;
}

// For RowKernel: words to a thread, 0 if rows do not fit, and the shape.
struct RowChoice {
  int vectors = 0;
  CudaShape shape;
};
// `vectors`: 16-byte words of a row.
inline RowChoice ChooseRowKernel(const CudaTraits& traits, int64_t rows, int64_t vectors) {
  const CudaTuning& tuning = TuningOf(traits);
  RowChoice choice;
  // With few rows all threads help at once; with many each keeps more loads on their way.
  const bool few = rows < 2 * static_cast<int64_t>(traits.sms);
  const int64_t wanted = few ? kMostThreads * std::min(tuning.max_cluster, 4) : tuning.many_threads;
  int per_thread = few || vectors <= kWarp ? 1 : 2;
  while (per_thread < 4 && CeilDiv(vectors, per_thread) > wanted) per_thread *= 2;
  int64_t width = PowerFrom(CeilDiv(vectors, per_thread), 1);
  int cluster = 1;
  while (width / cluster > kMostThreads && cluster < tuning.max_cluster) cluster *= 2;
  if (width / cluster > kMostThreads) return choice;
  choice.vectors = per_thread;
  choice.shape.width = static_cast<int>(width);
  choice.shape.cluster = cluster;
  choice.shape.threads = width <= kWarp ? tuning.short_threads : static_cast<int>(width) / cluster;
  const int64_t teams = width <= kWarp ? choice.shape.threads / width : 1;
  const int64_t most = static_cast<int64_t>(traits.sms) * tuning.waves * tuning.short_threads / choice.shape.threads;
  choice.shape.blocks = std::max<int64_t>(std::min(CeilDiv(rows, teams), std::max<int64_t>(most / cluster, 1)), 1);
  choice.shape.blocks *= cluster;
  return choice;
}

// For kernels that go through `columns` elements of each of `units`, a few at a time.
inline CudaShape ChooseUnits(const CudaTraits& traits, int64_t units, int64_t columns) {
  const CudaTuning& tuning = TuningOf(traits);
  CudaShape shape;
  shape.threads = tuning.short_threads;
  shape.width = std::min(PowerFrom(columns, 1), columns > 4 * kWarp ? shape.threads : kWarp);
  const int64_t teams = shape.width <= kWarp ? shape.threads / shape.width : 1;
  const int64_t most = static_cast<int64_t>(traits.sms) * tuning.waves;
  shape.blocks = std::clamp<int64_t>(CeilDiv(units, teams), 1, most);
  return shape;
}

// Elements of the pieces that rows of any layout are cut into where few of them have to fill a device.
inline constexpr int64_t kCudaSegment = 4096;
// Rows of the pieces of dimension -2, per channel.
inline constexpr int64_t kCudaColumnSegment = 256;
// Per tensor: teams that measure.
inline constexpr int64_t kCudaMeasuringTeams = 1024;

}  // namespace kvant

#endif  // KVANT_ROWWISE_CUDA_TUNING_H_
