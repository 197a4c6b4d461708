#include "kvant/ops/quantize/parameters.h"

#include <algorithm>
#include <cstring>

#include "kvant/rowwise/cpu_tuning.h"
#include "kvant/rowwise/pieces.h"
#include "kvant/rowwise/regular.h"

namespace kvant::quantize {
namespace {

// Rows from which on the inverses of a panel pay: they are divisions too.
constexpr int64_t kRowsForInverses = 4;
// Loops over parameters run in steps of this length, which a compiler turns into vectors.
constexpr int64_t kStep = 16;
static_assert(kPanel % kStep == 0);

struct NoZeros {
  float values[kPanel] = {};
  constexpr NoZeros() {
    for (float& v : values) v = -0.0f;
  }
};
constexpr NoZeros kNoZeros;

void Convert(const char* from, DType dtype, int64_t step, int64_t n, float* to) {
  if (dtype == DType::kFloat32 && step == sizeof(float)) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
  } else if (dtype != DType::kInt32) {
    ConvertToFloat(from, dtype, step, n, to);
  } else {
    for (int64_t i = 0; i < n; ++i) {
      int32_t v;
      std::memcpy(&v, from + i * step, sizeof(v));
      to[i] = static_cast<float>(v);
    }
  }
}

// Parameters of `n` columns from `column` on, `repeat` columns to a parameter.
void ConvertColumns(const Parameter& p, int64_t column, int64_t repeat, int64_t n, float* to) {
  if (p.single) {
    Convert(p.data, p.dtype, 0, 1, to);
    std::fill_n(to + 1, n - 1, to[0]);
    return;
  }
  if (repeat == 1 && p.map.regular()) return Convert(p.At(column), p.dtype, p.map.step(), n, to);
  for (int64_t i = 0; i < n;) {
    const int64_t index = (column + i) / repeat;
    const int64_t end = std::min((index + 1) * repeat - column, n);
    Convert(p.At(index), p.dtype, 0, 1, to + i);
    std::fill(to + i + 1, to + end, to[i]);
    i = end;
  }
}

// The same, of at most plan.period columns.
void ConvertPeriod(const Parameter& p, const Plan& plan, int64_t column, int64_t n, float* to) {
  const int64_t at = column % plan.period, first = std::min(n, plan.period - at);
  ConvertColumns(p, at, plan.repeat, first, to);
  if (first < n) ConvertColumns(p, 0, plan.repeat, n - first, to + first);
}

// Continues a sequence of `period` numbers up to n of them.
void Repeat(int64_t period, int64_t n, float* numbers) {
  for (int64_t done = period; done < n;) {
    const int64_t more = std::min(done, n - done);
    std::copy_n(numbers, more, numbers + done);
    done += more;
  }
}

bool AllFixed(int bits, const float* zeros, int64_t n) {
  const FixedOffsets offsets(bits);
  uint32_t beyond = 0;
  for (int64_t i = 0; i < n; i += kStep) {
    for (int64_t j = i; j < i + kStep; ++j) beyond |= offsets.Take(zeros[j]) ? 0u : 1u;
  }
  return beyond == 0;
}

}  // namespace

Parameters::Parameters(const Plan& plan)
    : plan_(plan),
      rule_(plan.format, plan.zero.data != nullptr, plan.x_dtype),
      shared_room_(RoundUp(plan.kernels->shared_room, kStep)),
      zero_(plan.zero.data != nullptr ? zeros_ : kNoZeros.values) {}

void Parameters::LoadColumns(int64_t column, int64_t n, int64_t rows) {
  const int64_t distinct = std::min(n, plan_.period);
  ConvertPeriod(plan_.scale, plan_, column, distinct, scale_);
  if (zero_ == zeros_) ConvertPeriod(plan_.zero, plan_, column, distinct, zeros_);
  regular_ = false;
  if (rows * (n / distinct) >= kRowsForInverses) {
    const int64_t padded = RoundUp(distinct, kStep);
    std::fill(scale_ + distinct, scale_ + padded, scale_[0]);
    if (zero_ == zeros_) std::fill(zeros_ + distinct, zeros_ + padded, zeros_[0]);
    Judge(padded);
  }
  Repeat(distinct, n, scale_);
  if (zero_ == zeros_) Repeat(distinct, n, zeros_);
  if (regular_ && !plan_.reciprocal) Repeat(distinct, n, inverse_);
}

void Parameters::LoadOne(int64_t index) {
  if (index == index_) return;
  index_ = index;
  const auto fill = [this](float value, float* to) {
    for (int64_t i = 0; i < shared_room_; i += kStep) {
      for (int64_t j = i; j < i + kStep; ++j) to[j] = value;
    }
  };
  float scale, zero = 0;
  Convert(plan_.scale.At(index), plan_.scale.dtype, 0, 1, &scale);
  fill(scale, scale_);
  if (zero_ == zeros_) {
    Convert(plan_.zero.At(index), plan_.zero.dtype, 0, 1, &zero);
    fill(zero, zeros_);
  }
  regular_ = rule_.Scale(scale) && (zero_ != zeros_ || rule_.Zero(zero));
  fixed_ = TakesFixed(plan_.format, zero);
  if (!regular_ || plan_.reciprocal) return;
  smallest_ = scale;
  fill(1.0f / scale, inverse_);
}

void Parameters::Judge(int64_t n) {
  uint32_t irregular = 0, smallest = UINT32_MAX;
  for (int64_t i = 0; i < n; i += kStep) {
    for (int64_t j = i; j < i + kStep; ++j) {
      irregular |= rule_.Scale(scale_[j]) ? 0u : 1u;
      smallest = std::min(smallest, std::bit_cast<uint32_t>(scale_[j]));
    }
    if (zero_ != zeros_) continue;
    for (int64_t j = i; j < i + kStep; ++j) irregular |= rule_.Zero(zeros_[j]) ? 0u : 1u;
  }
  regular_ = irregular == 0;
  if (!regular_ || plan_.reciprocal) return;
  smallest_ = std::bit_cast<float>(smallest);
  for (int64_t i = 0; i < n; i += kStep) {
    for (int64_t j = i; j < i + kStep; ++j) inverse_[j] = 1.0f / scale_[j];
  }
  fixed_ = IsInteger(plan_.format) && (zero_ != zeros_ || AllFixed(Info(plan_.format).bits, zeros_, n));
}

}  // namespace kvant::quantize
