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
  int short_threads;  // of a block of short rows, and of blocks without a row of their own
  int max_cluster;    // blocks that may share a row; 1: there are no clusters
  int waves;          // blocks of `short_threads` to a multiprocessor that a grid is cut off at
};
inline constexpr CudaTuning kCudaTunings[] = {
    {100, 256, 8, 32},
    {90, 256, 8, 32},
    {0, 256, 1, 32},
};

inline const CudaTuning& TuningOf(const CudaTraits& traits) {
  for (const CudaTuning& t : kCudaTunings) {
    if (traits.capability >= t.from_capability) return t;
  }
  return kCudaTunings[std::size(kCudaTunings) - 1];
}

// What a thread of RowKernel has in hand.
enum class RowVariant : uint8_t {
  kNone,
  kWide,   // a word of 16 bytes of one row: for few rows that are not long
  kThree,  // up to three words of one row, where that leaves fewer threads without
  kDeep,   // up to four
  kShort,  // a word of each of four rows
};
inline constexpr int kDeepVectors = 4, kShortRows = 4;

constexpr int VectorsOf(RowVariant v) {
  return v == RowVariant::kDeep ? kDeepVectors : v == RowVariant::kThree ? 3 : 1;
}

inline constexpr int kWarp = 32;
inline constexpr int kMostThreads = 1024;

inline int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int PowerFrom(int64_t n, int least) {
  int power = least;
  while (power < n) power *= 2;
  return power;
}

// It counts rows in 32 bits.
inline constexpr int64_t kMostRowsInHand = int64_t{1} << 30;

// Few rows leave multiprocessors idle; blocks of theirs are spread over a cluster from this many threads on.
inline constexpr int kFewThreads = 512;

// Teams of at least `width` threads, or of `least` if that is more, for as many as `units`: within a warp a power of
// two, else a block, or a cluster of them.
inline void ShapeRows(const CudaTuning& tuning, const CudaTraits& traits, int64_t units, int least, int64_t width,
                      CudaShape* shape) {
  while (width > static_cast<int64_t>(kMostThreads) * shape->cluster) shape->cluster *= 2;
  while (width > static_cast<int64_t>(kFewThreads) * shape->cluster && shape->cluster < tuning.max_cluster &&
         units * shape->cluster * 2 <= traits.sms) {
    shape->cluster *= 2;
  }
  if (width <= kWarp) {
    shape->width = PowerFrom(width, least);
    shape->threads = tuning.short_threads;
  } else {
    shape->threads = static_cast<int>(CeilDiv(CeilDiv(width, shape->cluster), kWarp)) * kWarp;
    shape->width = shape->threads * shape->cluster;
  }
  const int64_t teams = shape->width <= kWarp ? shape->threads / shape->width : 1;
  const int64_t cut = static_cast<int64_t>(traits.sms) * tuning.waves * tuning.short_threads / shape->threads;
  shape->blocks = std::clamp<int64_t>(CeilDiv(units, teams), 1, std::max<int64_t>(cut / shape->cluster, 1));
  shape->blocks *= shape->cluster;
}

// kNone: rows do not fit.
struct RowChoice {
  RowVariant variant = RowVariant::kNone;
  CudaShape shape;
};
// `vectors`: 16-byte words of a row. `smooth`: rows have smooth scales.
inline RowChoice ChooseRowKernel(const CudaTraits& traits, int64_t rows, int64_t vectors, bool smooth) {
  const CudaTuning& tuning = TuningOf(traits);
  const auto shaped = [&](RowVariant variant) {
    RowChoice choice;
    const int64_t width = CeilDiv(vectors, VectorsOf(variant));
    if (width > static_cast<int64_t>(kMostThreads) * tuning.max_cluster) return choice;
    choice.variant = variant;
    const int in_hand = variant == RowVariant::kShort ? kShortRows : 1;
    ShapeRows(tuning, traits, CeilDiv(rows, in_hand), in_hand, width, &choice.shape);
    return choice;
  };
  // What does not depend on the words of a thread is most of its work: a word each pays where rows are so few that all
  // their threads run at once, and not long.
  constexpr int64_t kFewWords = 256;
  const int64_t two_each = 2 * static_cast<int64_t>(traits.sms);
  const bool few = rows < two_each && vectors <= kFewWords && rows * vectors <= two_each * kMostThreads;
  if (!few && vectors <= kWarp && vectors >= kShortRows / 2 && !smooth) return shaped(RowVariant::kShort);
  if (few || vectors <= kWarp) return shaped(RowVariant::kWide);
  const RowChoice deep = shaped(RowVariant::kDeep);
  if (smooth || deep.variant == RowVariant::kNone) return deep;
  // Of the words that its threads have room for, a tenth fewer at least.
  const RowChoice three = shaped(RowVariant::kThree);
  const bool fewer = three.shape.width * VectorsOf(RowVariant::kThree) * 10 <= deep.shape.width * kDeepVectors * 9;
  return three.variant != RowVariant::kNone && fewer ? three : deep;
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
