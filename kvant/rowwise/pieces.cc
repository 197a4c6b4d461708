#include "kvant/rowwise/pieces.h"

#include <algorithm>
#include <cstring>

#include "kvant/core/visit.h"

namespace kvant {
namespace {

template <class Word>
void GatherWords(const char* from, int64_t step, int64_t n, char* to) {
  for (int64_t i = 0; i < n; ++i) std::memcpy(to + i * sizeof(Word), from + i * step, sizeof(Word));
}

template <class Word>
void ScatterWords(const char* from, int64_t n, int64_t step, char* to) {
  for (int64_t i = 0; i < n; ++i) std::memcpy(to + i * step, from + i * sizeof(Word), sizeof(Word));
}

}  // namespace

void Gather(const char* from, int64_t step, int64_t n, int64_t bytes, char* to) {
  if (bytes == 1) {
    GatherWords<uint8_t>(from, step, n, to);
  } else if (bytes == 2) {
    GatherWords<uint16_t>(from, step, n, to);
  } else {
    GatherWords<uint32_t>(from, step, n, to);
  }
}

void Scatter(const char* from, int64_t n, int64_t step, int64_t bytes, char* to) {
  if (bytes == 1) {
    ScatterWords<uint8_t>(from, n, step, to);
  } else if (bytes == 2) {
    ScatterWords<uint16_t>(from, n, step, to);
  } else {
    ScatterWords<uint32_t>(from, n, step, to);
  }
}

void ConvertToFloat(const char* from, DType dtype, int64_t step, int64_t n, float* to) {
  VisitFloat(dtype, [&](auto element) {
    for (int64_t i = 0; i < n; ++i) {
      std::memcpy(&element, from + i * step, sizeof(element));
      to[i] = ToFloat32(element);
    }
  });
}

PieceIo::PieceIo(const RowwisePlan& plan)
    : plan_(plan),
      x_bytes_(ByteSize(plan.x_dtype)),
      direct_x_(plan.x.step == x_bytes_ || plan.columns == 1),
      direct_y_(plan.stage == Stage::kMeasure || plan.y.step == 1 || plan.columns == 1),
      direct_smooth_(plan.smooth == nullptr ||
                     (plan.smooth_dtype == DType::kFloat32 && plan.smooth_step == sizeof(float))),
      limit_(direct_x_ && direct_y_ && direct_smooth_ ? INT64_MAX : kPiece),
      groups_(plan.group_index) {}

const char* PieceIo::GatherX(const char* x, int64_t n) {
  Gather(x, plan_.x.step, n, x_bytes_, x_);
  return x_;
}

const float* PieceIo::Smooth(int64_t row, int64_t column, int64_t n) {
  const int64_t group = plan_.group_index.present() ? groups_.GroupOf(row / plan_.rows_per_token) : 0;
  const int64_t start =
      group * plan_.smooth_group_stride + (row % plan_.rows_per_token * plan_.columns + column) * plan_.smooth_step;
  const char* smooth = plan_.smooth + start;
  if (direct_smooth_) return reinterpret_cast<const float*>(smooth);
  if (start != held_start_ || n != held_n_) {
    ConvertToFloat(smooth, plan_.smooth_dtype, plan_.smooth_step, n, smooth_);
    held_start_ = start;
    held_n_ = n;
  }
  return smooth_;
}

void PieceIo::Flush(char* y_row, int64_t column, int64_t n) {
  if (!direct_y_) Scatter(y_, n, plan_.y.step, y_row + column * plan_.y.step);
}

}  // namespace kvant
