// Scales and zero points as kernels want them: fp32, a number for each column or one for all.
#ifndef KVANT_OPS_QUANTIZE_PARAMETERS_H_
#define KVANT_OPS_QUANTIZE_PARAMETERS_H_

#include "kvant/ops/quantize/plan.h"
#include "kvant/ops/quantize/regular.h"

namespace kvant::quantize {

// Columns whose parameters are held at a time: with their inverses they fill half of a 48 KB cache.
inline constexpr int64_t kPanel = 2048;

class Parameters {
 public:
  explicit Parameters(const Plan& plan);

  // For `n` columns from `column` on; about `rows` of them will be encoded.
  void LoadColumns(int64_t column, int64_t n, int64_t rows);
  // One for all columns.
  void LoadOne(int64_t index);

  const float* scale() const { return scale_; }
  const float* inverse() const { return inverse_; }
  const float* zero() const { return zero_; }
  // Whether all of them are Regular, and for division the smallest scale.
  bool regular() const { return regular_; }
  float smallest() const { return smallest_; }
  // Whether INT8 and INT4 codes need no quotients, where all are Regular.
  bool fixed() const { return fixed_; }

 private:
  void Judge(int64_t n);

  const Plan& plan_;
  const Regular rule_;
  const int64_t shared_room_;
  const float* zero_;
  bool regular_ = false, fixed_ = false;
  float smallest_ = 0;
  int64_t index_ = -1;
  alignas(64) float scale_[kPanel];
  alignas(64) float inverse_[kPanel];
  alignas(64) float zeros_[kPanel];
};

}  // namespace kvant::quantize

#endif  // KVANT_OPS_QUANTIZE_PARAMETERS_H_
