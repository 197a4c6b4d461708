// Sizes that only speed depends on, with the measurement that chose each.
#ifndef KVANT_ROWWISE_CPU_TUNING_H_
#define KVANT_ROWWISE_CPU_TUNING_H_

#include <cstdint>

namespace kvant {

constexpr int64_t RoundUp(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// Pieces of a row end at multiples of this, the largest block of any target, so that they end where stores do and INT4
// pairs stay together.
inline constexpr int64_t kPieceMultiple = 512;
// Elements that a task is worth: a hot OpenMP region costs about 0.9 microseconds, as much as 10,000 elements.
inline constexpr int64_t kElementsPerTask = 32 * 1024;
// A row is cut only from here on: below, its two extra phases cost more than a second core gives.
inline constexpr int64_t kElementsPerSegment = 64 * 1024;
// Results beyond this bypass the cache: a reader finds smaller ones there (break-even is between 4 and 16 MB).
inline constexpr int64_t kStreamingBytes = 8 * 1024 * 1024;
// Rows up to here are measured and encoded in batches; longer ones amortize the divisions of their parameters alone.
inline constexpr int64_t kShortRow = 1024;
// Contiguous rows of a batch up to here are encoded as one row: INT8 of 64 elements 1.25 times as fast as row by row.
// Of 128 it depends on the clock, which an Ice Lake lowers by about a sixth for code that dense: 0.92 times, or 1.12
// times where another thread shares the core.
inline constexpr int64_t kAsOneRow = 64;
// Rows up to here are measured one ahead of the row that is encoded; two longer ones would not stay in a 2 MB L2.
inline constexpr int64_t kPipelinedRowBytes = 256 * 1024;
// Inputs of this many bytes are not in L2 when their turn comes.
inline constexpr int64_t kBeyondL2 = 4 * 1024 * 1024;
// Rows to come that wait in L2 (row_task.h) are asked for so many bytes ahead, but not more rows than these. Rows of
// 8 KB or 14 KB asked for one ahead instead of two: 15 and 10 % slower; further ahead was no faster.
inline constexpr int64_t kAskedAhead = 16 * 1024;
inline constexpr int64_t kAskedRowsAhead = 4;
// Where a piece with parameters of its own is shorter than this many bytes, asking costs more than it saves: pieces of
// 256 bytes took 5 to 20 % longer, those of 4 KB 50 to 85 % of the time.
inline constexpr int64_t kLeastAsked = 1024;
// Elements of a piece that is gathered or converted into a buffer on the stack.
inline constexpr int64_t kPiece = 4096;
// Elements from which on subnormals are flushed to zero: changing the state takes as long as an operation on one or
// two.
inline constexpr int64_t kFlushFrom = 256;
// Updates that a far cache (scatter_prefetch.h) is asked for at a time.
inline constexpr int64_t kAskedUpdates = 4;
// Rows of an update that are asked for; where there are more, hardware sees them coming.
inline constexpr int64_t kAskedRows = 16;
// Per channel: columns of a panel at most, and the bytes of a panel that stay in cache from statistics to codes.
inline constexpr int64_t kPanelColumns = 1024;
inline constexpr int64_t kPanelBytes = 1024 * 1024;

}  // namespace kvant

#endif  // KVANT_ROWWISE_CPU_TUNING_H_
