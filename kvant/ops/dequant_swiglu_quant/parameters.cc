#include "kvant/ops/dequant_swiglu_quant/parameters.h"

#include <algorithm>

#include "kvant/rowwise/cpu_tuning.h"
#include "kvant/rowwise/pieces.h"

namespace kvant::swiglu {
namespace {

bool Interleaved(const Plan& plan) { return plan.mode == SwigluMode::kClampedInterleaved; }

// Whether a table's row can be read where it is.
bool Direct(const Plan& plan, const Table& t) {
  return t.step == 4 && (t.dtype == DType::kFloat32 || t.dtype == DType::kInt32) && !Interleaved(plan);
}

struct NoFactors {
  alignas(64) float values[kOnes] = {};
  constexpr NoFactors() {
    for (float& v : values) v = 1;
  }
};
constexpr NoFactors kNoFactors;

bool HasWeights(const Plan& plan) { return plan.x_dtype == DType::kInt32; }
int64_t WeightBytes(const Plan& plan) {
  const Table& t = plan.problem.weight_scale;
  return t.present && !Direct(plan, t) ? RoundUp(2 * plan.problem.columns * 4, 64) : 0;
}
int64_t BiasBytes(const Plan& plan) {
  const Table& t = plan.problem.bias;
  return t.present && !Direct(plan, t) ? RoundUp(2 * plan.problem.columns * 4, 64) : 0;
}
bool Smooths(const Plan& plan) { return plan.dynamic && plan.problem.quant_scale.present; }
bool SmoothIsDirect(const Plan& plan) {
  const Table& t = plan.problem.quant_scale;
  return Smooths(plan) && t.step == 4 && t.dtype == DType::kFloat32;
}
int64_t SmoothBytes(const Plan& plan) {
  return Smooths(plan) && !SmoothIsDirect(plan) ? RoundUp(plan.problem.columns * 4, 64) : 0;
}

// Elements of a table's row to 32 bits each.
void Convert(const Table& t, const char* from, int64_t step, int64_t n, char* to) {
  if (t.dtype == DType::kInt32) {
    Gather(from, step, n, sizeof(int32_t), to);
  } else {
    ConvertToFloat(from, t.dtype, step, n, reinterpret_cast<float*>(to));
  }
}

// The magnitudes of a row of a static table.
Magnitudes RangeOf(const SwigluKernels& kernels, const Table& t, int64_t row, int64_t columns) {
  Magnitudes range;
  const int64_t n = t.one_for_all_columns ? 1 : columns;
  for (int64_t c = 0; c < n; c += kColumns) {
    float values[kColumns];
    const int64_t some = std::min(kColumns, n - c);
    ConvertToFloat(t.Row(row) + c * t.step, t.dtype, t.step, some, values);
    range.Merge(kernels.magnitudes(values, some));
  }
  return range;
}

}  // namespace

int64_t Parameters::Bytes(const Plan& plan) { return WeightBytes(plan) + BiasBytes(plan) + SmoothBytes(plan); }

Parameters::Parameters(const Plan& plan, char* memory)
    : plan_(plan),
      columns_(plan.problem.columns),
      weight_(memory),
      bias_(weight_ + WeightBytes(plan)),
      smooth_(bias_ + BiasBytes(plan)) {
  const Problem& p = plan.problem;
  varies_ = false;
  for (const Table* t : {&p.weight_scale, &p.bias, &p.quant_scale, &p.quant_offset}) varies_ |= t->rows > 1;
  if (!p.weight_scale.present) act_scale_ = lin_scale_ = kNoFactors.values;
  if (!Smooths(plan)) smooth_now_ = kNoFactors.values;
}

void Parameters::Load(int64_t parameter_row) {
  const int64_t row = varies_ ? parameter_row : 0;
  if (row == row_) return;
  row_ = row;
  measured_ = false;
  const Problem& p = plan_.problem;
  if (p.weight_scale.present) LoadHalves(p.weight_scale, row, &act_scale_, &lin_scale_, weight_);
  if (p.bias.present) LoadHalves(p.bias, row, &act_bias_, &lin_bias_, bias_);
  if (!Smooths(plan_)) return;
  const Table& smooth = p.quant_scale;
  if (SmoothIsDirect(plan_)) {
    smooth_now_ = reinterpret_cast<const float*>(smooth.Row(row));
    return;
  }
  float* to = reinterpret_cast<float*>(smooth_);
  ConvertToFloat(smooth.Row(row), smooth.dtype, smooth.step, smooth.one_for_all_columns ? 1 : columns_, to);
  if (smooth.one_for_all_columns) std::fill_n(to + 1, columns_ - 1, to[0]);
  smooth_now_ = to;
}

void Parameters::LoadHalves(const Table& table, int64_t row, const void** act, const void** lin, char* to) const {
  const char* from = table.Row(row);
  const int64_t half = columns_ * 4;
  if (Interleaved(plan_)) {
    Convert(table, from, 2 * table.step, columns_, to);
    Convert(table, from + table.step, 2 * table.step, columns_, to + half);
    *act = to;
    *lin = to + half;
    return;
  }
  if (!Direct(plan_, table)) {
    Convert(table, from, table.step, 2 * columns_, to);
    from = to;
  }
  *act = from + (plan_.act_first ? 0 : half);
  *lin = from + (plan_.act_first ? half : 0);
}

void Parameters::Point(int64_t column, Piece* piece) const {
  const auto at = [column](const void* p) { return p == nullptr ? nullptr : static_cast<const char*>(p) + column * 4; };
  const bool weights = plan_.problem.weight_scale.present, smooths = Smooths(plan_);
  piece->act_scale = static_cast<const float*>(act_scale_) + (weights ? column : 0);
  piece->lin_scale = static_cast<const float*>(lin_scale_) + (weights ? column : 0);
  piece->weight_mask = weights ? -1 : 0;
  piece->act_bias = at(act_bias_);
  piece->lin_bias = at(lin_bias_);
  piece->smooth = smooth_now_ + (smooths ? column : 0);
  piece->smooth_mask = smooths ? -1 : 0;
}

const Ranges& Parameters::ranges() {
  if (!measured_) Measure();
  measured_ = true;
  return ranges_;
}

void Parameters::Measure() {
  const auto both = [this](const void* act, const void* lin) {
    Magnitudes a = plan_.kernels->magnitudes(static_cast<const float*>(act), columns_);
    const Magnitudes b = plan_.kernels->magnitudes(static_cast<const float*>(lin), columns_);
    a.Merge(b);
    return a;
  };
  const Problem& p = plan_.problem;
  ranges_ = {};
  if (HasWeights(plan_)) {
    ranges_.weight =
        p.weight_scale.present ? both(act_scale_, lin_scale_) : plan_.kernels->magnitudes(kNoFactors.values, 1);
  }
  if (plan_.bias == Bias::kFloat) ranges_.bias = both(act_bias_, lin_bias_);
  if (Smooths(plan_)) ranges_.smooth = plan_.kernels->magnitudes(smooth_now_, columns_);
  if (plan_.dynamic) return;
  if (p.quant_scale.present) ranges_.scale = RangeOf(*plan_.kernels, p.quant_scale, row_, columns_);
  if (p.quant_offset.present) ranges_.offset = RangeOf(*plan_.kernels, p.quant_offset, row_, columns_);
}

}  // namespace kvant::swiglu
