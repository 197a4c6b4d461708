// Stretches of rows as kernels want them: contiguous elements, contiguous fp32 smooth scales, contiguous codes.
#ifndef KVANT_ROWWISE_PIECES_H_
#define KVANT_ROWWISE_PIECES_H_

#include "kvant/core/row_groups.h"
#include "kvant/rowwise/cpu_tuning.h"
#include "kvant/rowwise/plan.h"

namespace kvant {

// `n` elements of `bytes` each (1, 2 or 4), `step` bytes apart, to a contiguous buffer; and back.
void Gather(const char* from, int64_t step, int64_t n, int64_t bytes, char* to);
void Scatter(const char* from, int64_t n, int64_t step, int64_t bytes, char* to);
// The same for codes of one byte.
inline void Scatter(const char* from, int64_t n, int64_t step, char* to) { Scatter(from, n, step, 1, to); }
// `n` numbers, `step` bytes apart, to fp32.
void ConvertToFloat(const char* from, DType dtype, int64_t step, int64_t n, float* to);

// Contiguous elements, with their smooth scales or null.
struct RowPiece {
  const void* x;
  const float* smooth;
};

// PieceIo for contiguous elements and codes without smooth scales, where there is nothing to do.
class DirectIo {
 public:
  explicit DirectIo(const RowwisePlan& plan) : plan_(plan) {}
  static bool Takes(const RowwisePlan& plan) {
    return plan.smooth == nullptr && plan.x.step == ByteSize(plan.x_dtype) &&
           (plan.stage == Stage::kMeasure || plan.y.step == 1);
  }

  static constexpr int64_t limit() { return INT64_MAX; }
  static constexpr bool direct() { return true; }
  RowPiece Read(const char* x_row, int64_t, int64_t column, int64_t) const {
    return {x_row + column * plan_.x.step, nullptr};
  }
  uint8_t* Target(char* y_row, int64_t column) const {
    return reinterpret_cast<uint8_t*>(y_row) + CodeBytes(plan_.format, column);
  }
  static void Flush(char*, int64_t, int64_t) {}

 private:
  const RowwisePlan& plan_;
};

// What one task needs to read and write rows of a plan. Holds its buffers, so it lives on the task's stack.
class PieceIo {
 public:
  explicit PieceIo(const RowwisePlan& plan);

  // Elements that Read and Write take at once.
  int64_t limit() const { return limit_; }
  bool direct() const { return limit_ == INT64_MAX; }

  // Elements [column, column + n) of a row at `x_row`, with that row's smooth scales.
  RowPiece Read(const char* x_row, int64_t row, int64_t column, int64_t n) {
    const char* x = x_row + column * plan_.x.step;
    if (!direct_x_) x = GatherX(x, n);
    return {x, plan_.smooth == nullptr ? nullptr : Smooth(row, column, n)};
  }

  // Where to put the codes of those elements, and, after they are there, their way to the tensor.
  uint8_t* Target(char* y_row, int64_t column) {
    if (!direct_y_) return reinterpret_cast<uint8_t*>(y_);
    return reinterpret_cast<uint8_t*>(y_row) + CodeBytes(plan_.format, column);
  }
  void Flush(char* y_row, int64_t column, int64_t n);

 private:
  const char* GatherX(const char* x, int64_t n);
  const float* Smooth(int64_t row, int64_t column, int64_t n);

  const RowwisePlan& plan_;
  const int64_t x_bytes_;
  const bool direct_x_, direct_y_, direct_smooth_;
  int64_t limit_;
  RowGroups groups_;
  // What smooth_ holds.
  int64_t held_start_ = -1, held_n_ = 0;
  alignas(64) char x_[kPiece * 4];
  alignas(64) float smooth_[kPiece];
  alignas(64) char y_[kPiece];
};

}  // namespace kvant

#endif  // KVANT_ROWWISE_PIECES_H_
