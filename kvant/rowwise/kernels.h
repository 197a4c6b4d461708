// What a backend provides for row-wise operators: small functions over contiguous elements, in tables indexed by dtype
// and format. They assume and never check, allocate or spread; drive_*.cc walk tensors with them.
#ifndef KVANT_ROWWISE_KERNELS_H_
#define KVANT_ROWWISE_KERNELS_H_

#include <algorithm>
#include <cstdint>

#include "kvant/core/dtype.h"
#include "kvant/core/target.h"
#include "kvant/formats/format.h"

namespace kvant {

// The smallest and the largest element as OrderedBits (numerics/affine.inc): integers whose order is that of the
// numbers, -0 below +0, NaNs outside the infinities. The neutral value has nothing between min and max.
struct MinMaxBits {
  int32_t min = INT32_MAX;
  int32_t max = INT32_MIN;
};

// How one row is encoded: codes = cast(x' / scale + offset), or cast(x' / scale) when symmetric.
struct RowParams {
  float scale;
  float offset;   // asymmetric only
  float inverse;  // RN(1 / scale); kFast and kFastTiny only
};

// What an encoder may assume of scale and elements.
enum class Path : uint8_t {
  kExact,     // nothing: real division, every cast saturates
  kFast,      // multiplication with the inverse, codes in range (regular.h)
  kFastTiny,  // the same by quotients, for scales below 2^-76 after multiplying x' and scale by 2^64
};
inline constexpr int kNumPaths = 3;

// Bits of `flags`: how to store, what to ask for and into which cache (L1), and that the CPU can permute the bytes of
// two vectors (AVX3_DL).
enum : uint32_t { kStreamStores = 1, kFetchQuarter = 2, kFetchToL2 = 4, kPermuteBytes = 8 };

struct EncodeArgs {
  const void* x;
  const float* smooth;   // null without smooth scales
  int64_t n;             // INT4: even
  uint8_t* y;            // INT4: n / 2 bytes, else n
  const void* prefetch;  // null, or what will be read soon, as many bytes as x has. The last three quarters of it are
                         // asked for, with kFetchQuarter the last one, else with kFetchToL2 all of it
  uint32_t flags;
  const void* prefetch_y = nullptr;  // likewise, where as many bytes as y has will be written soon
};

// Several short rows measured and encoded together, without smooth scales; a row that is written twice keeps what the
// later one says.
struct ShortRowsArgs {
  const void* x;
  int64_t x_stride;  // elements from row to row
  int64_t n;         // elements of a row
  int rows;          // at most RowsOfBatch(n * the size of an element)
  float d, r;
  uint8_t* y;
  int64_t y_stride;      // bytes from row to row
  float* scale;          // [kShortRowsRoom]; valid for the rows that were encoded
  float* offset;         // [kShortRowsRoom], asymmetric only
  const void* prefetch;  // rows that will be read next, as many and as far apart
  uint32_t flags;
  const void* prefetch_y = nullptr;  // or written next
  // Not null: where each row is, instead of x, or y, and its stride, and instead of `prefetch`.
  const char* const* x_rows = nullptr;
  char* const* y_rows = nullptr;
  const char* const* prefetch_rows = nullptr;
  DType table = DType::kFloat32;   // scales and offsets are as this dtype keeps them
  uint16_t* kept_scale = nullptr;  // [kShortRowsRoom]: their bits, where it has 16
  uint16_t* kept_offset = nullptr;
};
inline constexpr int kShortRowsBatch = 64;
// Bytes of the elements of a batch, unless it has only the rows that are measured together.
inline constexpr int64_t kShortRowsBytes = 12 * 1024;
inline constexpr int kMeasuredTogether = 16;
// Rows of a batch. What belongs to the rows of one vector takes as long as encoding hundreds of elements, most of it
// waiting for divisions; those of several vectors overlap.
constexpr int RowsOfBatch(int64_t row_bytes) {
  return static_cast<int>(std::clamp<int64_t>(kShortRowsBytes / row_bytes / kMeasuredTogether * kMeasuredTogether,
                                              kMeasuredTogether, kShortRowsBatch));
}
// A bit for each row of a batch.
using RowMask = uint64_t;
constexpr RowMask AllRows(int rows) { return ~RowMask{0} >> (kShortRowsBatch - rows); }
// The batch and a vector beyond it, so that every load and store is whole.
inline constexpr int kShortRowsRoom = kShortRowsBatch + 64;

// Columns that each have their own parameters, or all the same ones: cast(x' / scale[i] + offset[i]), always
// saturating.
struct EncodeColumnsArgs {
  const void* x;
  float smooth;          // one factor for all of them (1: none; kMultiply and shared parameters take only 1)
  int64_t n;             // INT4: even
  const float* scale;    // [n]; where shared, RowKernels::shared_room times the same
  const float* inverse;  // like scale: RN(1 / scale); kDivideFast only
  const float* offset;   // like scale; -0 where there is none
  uint8_t* y;
  uint32_t flags = 0;
  bool shared = false;             // one scale, inverse and offset for all columns
  bool fixed = false;              // kDivideFast, INT8 and INT4: all offsets are those of FixedOffsets
  const void* prefetch = nullptr;  // those of EncodeArgs
  const void* prefetch_y = nullptr;
};
enum class ColumnOp : uint8_t {
  kDivide,
  kDivideFast,  // x' and offsets finite, scales positive, they and their inverses normal, no quotient overflows; tiny
                // quotients may be inexact (see regular.h)
  kMultiply,    // x' * scale + offset
};
inline constexpr int kNumColumnOps = 3;
// HIFLOAT8 with hybrid rounding, in the table of column encoders.
inline constexpr int kHybridColumns = kNumFormats;

using EncodeFunction = void (*)(const EncodeArgs&, const RowParams&);
using EncodeColumnsFunction = void (*)(const EncodeColumnsArgs&);

struct RowKernels {
  // Whether to run kFast, kFastTiny and short_rows with subnormals flushed to zero, without smooth scales (and fp16
  // input has none). The reference computes them.
  bool flush_subnormals;
  uint32_t flags;  // for every call
  // Of n >= 1 elements x' = x * smooth (smooth null: x). `prefetch` is null, or n elements that will be measured next:
  // a quarter of them is asked for here and the rest by the encoder, so that memory is never idle.
  MinMaxBits (*min_max)(const void* x, const float* smooth, int64_t n, const void* prefetch);
  // The largest |x'| as fp32 bits; a NaN has the largest bits. n >= 1.
  int32_t (*amax)(const void* x, const float* smooth, int64_t n, const void* prefetch);
  // [format][asymmetric][smooth][path]
  EncodeFunction encode[kNumFormats][2][2][kNumPaths];
  // [format][asymmetric]; returns a mask of the rows it left alone because they are not regular (regular.h).
  RowMask (*short_rows[kNumFormats][2])(const ShortRowsArgs&);
  // Extends the statistics of n columns by `rows` rows, x_stride elements apart, of x' = x * smooth[row] (null: x).
  void (*min_max_columns)(const void* x, int64_t x_stride, int64_t rows, const float* smooth, int64_t n, int32_t* min,
                          int32_t* max);
  int64_t shared_room;  // how many times a shared parameter of columns is stored
  // [format or kHybridColumns][op]
  EncodeColumnsFunction encode_columns[kNumFormats + 1][kNumColumnOps];
};

// The kernels of a target, by the dtype of x.
const RowKernels& Float16RowKernels(Target target);
const RowKernels& BFloat16RowKernels(Target target);
const RowKernels& Float32RowKernels(Target target);
inline const RowKernels& GetRowKernels(Target target, DType x_dtype) {
  return x_dtype == DType::kFloat16    ? Float16RowKernels(target)
         : x_dtype == DType::kBFloat16 ? BFloat16RowKernels(target)
                                       : Float32RowKernels(target);
}
// The scalar reference.
const RowKernels& ReferenceRowKernels(DType x_dtype);

}  // namespace kvant

#endif  // KVANT_ROWWISE_KERNELS_H_
