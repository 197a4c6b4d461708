// A row-wise problem for CUDA with every choice made. Plain data, which a kernel takes by value; all tensors share one
// way from a row's number to its places, because divisions are what a GPU is slow at.
#ifndef KVANT_ROWWISE_CUDA_ROWS_H_
#define KVANT_ROWWISE_CUDA_ROWS_H_

#include <cstdint>

#include "kvant/core/divisor.h"
#include "kvant/core/row_groups.h"
#include "kvant/core/scatter_index.h"
#include "kvant/core/tensor.h"
#include "kvant/formats/format.h"
#include "kvant/rowwise/grid.h"
#include "kvant/rowwise/kernels.h"
#include "kvant/rowwise/plan.h"
#include "kvant/rowwise/quant_mode.h"

namespace kvant {

struct CudaFaultRecord;

// The tensors of a CudaRows' grid. Strides are bytes.
enum : int { kRowX, kRowY, kRowScale, kRowOffset };

// Updates that go to, or come from, places that indices name. Strides by grid tensor, in its units: 0 where a tensor is
// not reached that way.
struct CudaScatter {
  bool on = false;
  bool deterministic = false;  // an update that a later one overwrites is left out
  ScatterIndex index;
  int64_t first_stride[kGridTensors] = {};
  int64_t axis_stride[kGridTensors] = {};
  int64_t update_stride[kGridTensors] = {};
  // CudaRows: rows of update 0 are followed by those of update 1...
  int64_t rows_per_update = 0;
  Divisor by_update;              // by that, in kernels that count rows in 32 bits
  int64_t rows_per_position = 1;  // consecutive rows of one position along the axis
};

struct CudaRows {
  const char* op = "";
  CudaFaultRecord* faults = nullptr;

  Stage stage = Stage::kBoth;
  bool asymmetric = false;
  bool amax_only = false;  // kMeasure: largest magnitude instead of smallest and largest
  bool per_tensor = false;
  Format format = Format::kInt8;
  DType x_dtype = DType::kFloat32;
  DType param_dtype = DType::kFloat32;
  bool negate_offset = false;
  float d = 0, r = 0;

  int64_t rows = 0;
  int64_t columns = 0;
  Grid grid;                       // of rows; with a scatter, of those of an update
  char* data[kGridTensors] = {};   // kMeasure: scale and offset are the results
  int64_t x_step = 0, y_step = 0;  // bytes from column to column; the codes of an INT4 row are contiguous
  CudaScatter scatter;

  // Smooth scales of row r start at smooth + group * smooth_group_stride + (r % rows_per_token) * columns *
  // smooth_step.
  const char* smooth = nullptr;
  DType smooth_dtype = DType::kFloat32;
  int64_t smooth_step = 0;
  int64_t smooth_group_stride = 0;
  int64_t rows_per_token = 1;
  Divisor by_token;
  bool grouped = false;
  RowGroups groups;
  int64_t tokens = 0;

  // Rows cut into pieces: what a piece measures goes to `partial`, one for each piece or, per tensor, for each team.
  int64_t segments = 1;
  int64_t segment_size = 0;
  MinMaxBits* partial = nullptr;
  int64_t partials = 0;
};

// Of one dtype, format and mode, and without smooth scales.
struct CudaTwoRows {
  CudaRows of[2];
};

struct RowwiseInputs;
struct RowwiseOutputs;

// Fills everything but op, faults, the flags of the stage, d and r, the scatter and the last block. Not for perchannel.
void PlanCudaRows(const RowwiseInputs& in, const RowwiseOutputs& out, CudaRows* plan);

// Whether whole rows can be read and written in words of 16 bytes of x.
bool TakesVectors(const CudaRows& plan);

// Columns with parameters of their own.
struct CudaColumns {
  Stage stage = Stage::kBoth;
  bool asymmetric = false;
  bool amax_only = false;
  Format format = Format::kInt8;
  DType x_dtype = DType::kFloat32;
  float d = 0, r = 0;
  int64_t leads = 0, rows = 0, columns = 0;
  Grid grid;  // of leading indices
  char* data[kGridTensors] = {};
  int64_t row_step[2] = {};  // x and y, bytes along dimension -2
  int64_t column_step[kGridTensors] = {};
  const char* smooth = nullptr;
  DType smooth_dtype = DType::kFloat32;
  int64_t smooth_step = 0;
  // Pieces of dimension -2; leads x segments x columns statistics.
  int64_t segments = 1;
  int64_t segment_size = 0;
  MinMaxBits* partial = nullptr;
};

void PlanCudaColumns(const RowwiseInputs& in, const RowwiseOutputs& out, CudaColumns* plan);

}  // namespace kvant

#endif  // KVANT_ROWWISE_CUDA_ROWS_H_
