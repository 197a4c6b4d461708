// Encodes parts of a plan's grid.
#ifndef KVANT_OPS_QUANTIZE_ENCODER_H_
#define KVANT_OPS_QUANTIZE_ENCODER_H_

#include "kvant/numerics/fp_env.h"
#include "kvant/ops/quantize/parameters.h"
#include "kvant/rowwise/cpu_tuning.h"

namespace kvant::quantize {

// What one task needs for that. Holds its buffers and sets the floating-point state, so it lives on the task's stack.
class Encoder {
 public:
  explicit Encoder(const Plan& plan);
  ~Encoder();
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  // Parameters of `n` columns from `column` on, at most panel() of them; to be called before they are encoded. `rows`:
  // about how many rows that will be.
  int64_t panel() const { return by_column_ ? kPanel : INT64_MAX; }
  void Load(int64_t column, int64_t n, int64_t rows) {
    if (!by_column_) return;
    parameters_.LoadColumns(column, n, rows);
    loaded_ = column;
  }

  // What is asked for meanwhile, if anything: n elements, and room for their codes.
  struct Asked {
    const char* x = nullptr;
    const char* y = nullptr;
  };
  // A part within the loaded columns, of a grid whose first elements lie at x and y.
  void Encode(const GridPart& part, const char* x, char* y) { Encode(part, x, y, Asked()); }
  void Encode(const GridPart& part, const char* x, char* y, const Asked& meanwhile);

  // Columns [column, column + n) of the first row, n at most kPiece, whose elements and codes lie at x and y.
  // `largest`: bits of the largest magnitude among them, a NaN having the largest.
  void EncodeColumns(int64_t column, int64_t n, const char* x, int32_t largest, char* y) {
    if (!by_column_) parameters_.LoadOne(0);
    EncodeRun(x, n, by_column_ ? column - loaded_ : 0, y, {}, largest);
  }

 private:
  // n elements with the parameters from `parameter` on; their largest magnitude is looked for unless it is given.
  void EncodeRun(const char* x, int64_t n, int64_t parameter, char* y, const Asked& asked, int32_t largest = -1);
  bool DividesFast(const void* x, int64_t n, int32_t largest) const;

  const Plan& plan_;
  const Grid& grid_;
  const int64_t x_bytes_, per_byte_;
  const bool by_column_, direct_x_, direct_y_, asks_for_y_, flushes_;
  const EncodeColumnsFunction (&encoders_)[kNumColumnOps];
  const FpEnv env_;
  Parameters parameters_;
  int64_t loaded_ = 0;  // the column of the first of them
  alignas(64) char x_[kPiece * sizeof(float)];
  alignas(64) char y_[kPiece];
};

}  // namespace kvant::quantize

#endif  // KVANT_OPS_QUANTIZE_ENCODER_H_
