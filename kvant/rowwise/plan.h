// A row-wise problem with every choice made: pointers, sizes, strides, modes. Plain data; the driver runs it.
#ifndef KVANT_ROWWISE_PLAN_H_
#define KVANT_ROWWISE_PLAN_H_

#include <cstdint>
#include <span>

#include "kvant/core/exec.h"
#include "kvant/core/row_map.h"
#include "kvant/core/tensor.h"
#include "kvant/rowwise/kernels.h"
#include "kvant/rowwise/quant_mode.h"

namespace kvant {

// Where the elements of a row-major matrix view live.
struct MatrixMap {
  char* data = nullptr;
  RowMap rows;       // pertoken, pertensor: all leading dimensions; perchannel: without dimension -2
  int64_t row_step;  // perchannel: bytes along dimension -2
  int64_t step = 0;  // bytes from column to column
};

// One value per row (or per leading index and column).
struct VectorMap {
  char* data = nullptr;
  RowMap rows;
  int64_t step = 0;  // perchannel: bytes from column to column

  float* At(int64_t row, int64_t column = 0) const {
    return reinterpret_cast<float*>(data + rows.At(row) + column * step);
  }
};

struct RowScatter;

enum class Stage : uint8_t { kMeasure, kEncode, kBoth };

struct RowwisePlan {
  const RowKernels* kernels = nullptr;
  Stage stage = Stage::kBoth;
  QuantMode mode = QuantMode::kPerToken;
  bool asymmetric = false;
  bool amax_only = false;  // kMeasure: largest magnitude instead of smallest and largest
  bool streaming = false;
  bool fetches_quarter = false;  // see kFetchQuarter
  Format format = Format::kInt8;
  float d = 0, r = 0;

  // rows x columns elements; perchannel: leads x rows x columns.
  int64_t leads = 1;
  int64_t rows = 0;
  int64_t columns = 0;
  MatrixMap x;
  DType x_dtype = DType::kFloat32;
  MatrixMap y;              // step counts codes' bytes; for INT4 the codes of a row are contiguous
  VectorMap scale, offset;  // kMeasure: min (or amax) and max
  // kBoth: how scale and offset are stored, and whether the offset is with the other sign.
  DType param_dtype = DType::kFloat32;
  bool negate_offset = false;
  const RowScatter* scatter = nullptr;  // drive_scatter.h

  // Smooth scales of row r start at smooth + group * smooth_group_stride + (r % rows_per_token) * columns *
  // smooth_step.
  const char* smooth = nullptr;
  DType smooth_dtype = DType::kFloat32;
  int64_t smooth_step = 0;
  int64_t smooth_group_stride = 0;
  int64_t rows_per_token = 1;  // more than one with group_size
  ConstTensorView group_index;

  // How the work is cut: tasks of phase 0 and 1, and what phase 0 leaves for phase 1.
  int tasks = 1;
  int phases = 1;
  int64_t segments = 1;      // pieces of one row (phases) or of dimension -2 (perchannel)
  int64_t segment_size = 0;  // elements, or rows, of a piece
  int64_t panel = 0;         // perchannel: columns handled together
  int64_t workspace_bytes = 0;
};

// Cuts the work for `threads` threads; fills the last block of the plan.
void CutWork(int threads, RowwisePlan* plan);

// Runs the plan on exec's threads. Fails only with kOutOfMemory, before anything is written.
Status RunRowwise(const RowwisePlan& plan, const ExecOptions& exec);

}  // namespace kvant

#endif  // KVANT_ROWWISE_PLAN_H_
