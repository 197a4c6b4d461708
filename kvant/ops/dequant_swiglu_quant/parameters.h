// The parameter row of a group as kernels want it: contiguous, fp32, gates apart from linear parts.
#ifndef KVANT_OPS_DEQUANT_SWIGLU_QUANT_PARAMETERS_H_
#define KVANT_OPS_DEQUANT_SWIGLU_QUANT_PARAMETERS_H_

#include "kvant/ops/dequant_swiglu_quant/plan.h"

namespace kvant::swiglu {

// Magnitudes of the numbers of a parameter row; what is absent has none.
struct Ranges {
  Magnitudes weight, bias, smooth;
  // Static: zeros count as the least.
  float least_scale = 1, least_offset = 0;
};

class Parameters {
 public:
  // `memory`: Bytes(plan) of it, aligned to 64.
  Parameters(const Plan& plan, char* memory);
  static int64_t Bytes(const Plan& plan);

  void Load(int64_t parameter_row);

  // The pointers of `piece` for columns from `column` on.
  void Point(int64_t column, Piece* piece) const;

  // Of the loaded row; measured when first asked for.
  const Ranges& ranges();

 private:
  void LoadHalves(const Table& table, int64_t row, const void** act, const void** lin, char* to) const;
  void Measure();

  const Plan& plan_;
  const int64_t columns_;
  char *weight_, *bias_, *smooth_;  // memory for each
  bool varies_;
  int64_t row_ = -1;
  const void *act_scale_ = nullptr, *lin_scale_ = nullptr, *act_bias_ = nullptr, *lin_bias_ = nullptr;
  const float* smooth_now_ = nullptr;
  bool measured_ = false;
  Ranges ranges_;
};

}  // namespace kvant::swiglu

#endif  // KVANT_OPS_DEQUANT_SWIGLU_QUANT_PARAMETERS_H_
