#include <algorithm>
#include <cstring>

#include "kvant/numerics/fp_env.h"
#include "kvant/rowwise/drive_rows.h"
#include "kvant/rowwise/pieces.h"
#include "kvant/rowwise/regular.h"
#include "kvant/rowwise/row_params.h"

namespace kvant {
namespace {

// One task's view of a perchannel plan.
class ColumnTask {
 public:
  explicit ColumnTask(const RowwisePlan& plan)
      : plan_(plan),
        x_bytes_(ByteSize(plan.x_dtype)),
        direct_x_(plan.x.step == x_bytes_),
        flushes_(plan.kernels->flush_subnormals && plan.x_dtype != DType::kFloat16 && plan.smooth == nullptr) {}

  // Extends min and max, ordered bits of the columns [from, from + n), by the rows [row, end).
  void Measure(int64_t lead, int64_t row, int64_t end, int64_t from, int64_t n, int32_t* min, int32_t* max) {
    while (row < end) {
      const int64_t rows = std::min(end - row, direct_x_ ? kSmoothRows : 1);
      const float* smooth = Smooth(row, rows);
      plan_.kernels->min_max_columns(Read(lead, row, from, n), plan_.x.row_step / x_bytes_, rows, smooth, n, min, max);
      row += rows;
    }
  }

  // Parameters of `n` columns from their statistics; kMeasure: the results themselves.
  void Finish(int64_t lead, int64_t from, int64_t n, const int32_t* min, const int32_t* max, bool store) {
    const PathRule rule(plan_.format, plan_.asymmetric);
    fast_ = fixed_ = true;
    zeros_ = 0;
    for (int64_t i = 0; i < n; ++i) {
      const MinMaxBits bits{min[i], max[i]};
      float* first = plan_.scale.At(lead, from + i);
      float* second = plan_.stage == Stage::kMeasure && plan_.amax_only     ? nullptr
                      : plan_.stage != Stage::kMeasure && !plan_.asymmetric ? nullptr
                                                                            : plan_.offset.At(lead, from + i);
      if (plan_.stage == Stage::kMeasure) {
        MinMaxValues v = ValuesOf(bits, plan_.amax_only);
        if (plan_.amax_only) v.min = Magnitude(v);
        *first = v.min;
        if (second != nullptr) *second = v.max;
        continue;
      }
      RowParams p{};
      if (plan_.stage == Stage::kEncode) {
        p.scale = *first;
        p.offset = second != nullptr ? *second : 0;
        p.inverse = 1.0f / p.scale;
      } else {
        const MinMaxValues v = ValuesOf(bits, true);
        p = ParamsOf(v.min, plan_.asymmetric ? v.max : Magnitude(v), plan_.asymmetric, plan_.d, plan_.r);
        if (store) *first = p.scale;
        if (store && second != nullptr) *second = p.offset;
      }
      const bool all_zero = !plan_.asymmetric && p.scale == 0;
      // A column without a scale: x' / inf + 0 is +0, code 0x00, whatever the sign of x'. That its x' is finite is
      // known only of measured scales.
      if (all_zero && plan_.stage == Stage::kEncode) zero_[zeros_++] = static_cast<int16_t>(i);
      scale_[i] = all_zero ? kInfinity : p.scale;
      inverse_[i] = p.inverse;
      offset_[i] = plan_.asymmetric || all_zero ? p.offset : -0.0f;
      fixed_ = fixed_ && TakesFixed(plan_.format, offset_[i]);
      fast_ = fast_ && plan_.stage == Stage::kBoth && rule.For(p.scale, p.offset) == Path::kFast;
    }
  }

  // Codes of the rows [row, end) of those columns.
  void Encode(int64_t lead, int64_t row, int64_t end, int64_t from, int64_t n) {
    const FpEnv env(fast_ && flushes_ ? FpEnv::kFlush : FpEnv::kDefault);
    const ColumnOp op = fast_ ? ColumnOp::kDivideFast : ColumnOp::kDivide;
    const auto encode = plan_.kernels->encode_columns[static_cast<int>(plan_.format)][static_cast<int>(op)];
    for (; row < end; ++row) {
      char* y_row = plan_.y.data + plan_.y.rows.At(lead) + row * plan_.y.row_step;
      const bool direct_y = plan_.y.step == 1;
      uint8_t* y =
          direct_y ? reinterpret_cast<uint8_t*>(y_row) + CodeBytes(plan_.format, from) : reinterpret_cast<uint8_t*>(y_);
      const float* smooth = Smooth(row, 1);
      encode({Read(lead, row, from, n), smooth == nullptr ? 1.0f : *smooth, n, scale_, inverse_, offset_, y,
              plan_.kernels->flags, /*shared=*/false, fixed_});
      for (int z = 0; z < zeros_; ++z) ClearCode(y, zero_[z]);
      if (!direct_y) Scatter(y_, n, plan_.y.step, y_row + from * plan_.y.step);
    }
  }

 private:
  static constexpr int64_t kSmoothRows = 256;
  static constexpr float kInfinity = std::bit_cast<float>(0x7F800000);

  static float Magnitude(const MinMaxValues& v) {
    return std::bit_cast<float>(
        std::max(std::bit_cast<int32_t>(v.min) & 0x7FFFFFFF, std::bit_cast<int32_t>(v.max) & 0x7FFFFFFF));
  }

  void ClearCode(uint8_t* y, int64_t i) const {
    if (plan_.format == Format::kInt4) {
      y[i / 2] &= i % 2 == 0 ? 0xF0 : 0x0F;
    } else {
      y[i] = 0;
    }
  }

  const void* Read(int64_t lead, int64_t row, int64_t from, int64_t n) {
    const char* x = plan_.x.data + plan_.x.rows.At(lead) + row * plan_.x.row_step + from * plan_.x.step;
    if (direct_x_) return x;
    Gather(x, plan_.x.step, n, x_bytes_, x_);
    return x_;
  }

  const float* Smooth(int64_t row, int64_t rows) {
    if (plan_.smooth == nullptr) return nullptr;
    ConvertToFloat(plan_.smooth + row * plan_.smooth_step, plan_.smooth_dtype, plan_.smooth_step, rows, smooth_);
    return smooth_;
  }

  const RowwisePlan& plan_;
  const int64_t x_bytes_;
  const bool direct_x_, flushes_;
  bool fast_ = false, fixed_ = false;
  alignas(64) char x_[kPanelColumns * 4];
  alignas(64) float scale_[kPanelColumns], inverse_[kPanelColumns], offset_[kPanelColumns];
  alignas(64) char y_[kPanelColumns];
  int zeros_ = 0;
  int16_t zero_[kPanelColumns];
  float smooth_[kSmoothRows];
};

}  // namespace

void DrivePanels(const RowwisePlan& plan, int64_t begin, int64_t end) {
  ColumnTask task(plan);
  // Statistics and parameters are exact; Encode flushes where it may.
  const FpEnv env(FpEnv::kDefault);
  const int64_t panels = (plan.columns + plan.panel - 1) / plan.panel;
  int32_t min[kPanelColumns], max[kPanelColumns];
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t lead = unit / panels, from = unit % panels * plan.panel;
    const int64_t n = std::min(plan.panel, plan.columns - from);
    std::fill_n(min, n, MinMaxBits().min);
    std::fill_n(max, n, MinMaxBits().max);
    if (plan.stage != Stage::kEncode) task.Measure(lead, 0, plan.rows, from, n, min, max);
    task.Finish(lead, from, n, min, max, true);
    if (plan.stage != Stage::kMeasure) task.Encode(lead, 0, plan.rows, from, n);
  }
}

void MeasureColumns(const RowwisePlan& plan, int64_t begin, int64_t end, int32_t* partial) {
  ColumnTask task(plan);
  const FpEnv env(FpEnv::kDefault);
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t lead = unit / plan.segments, row = unit % plan.segments * plan.segment_size;
    int32_t* min = partial + unit * 2 * plan.columns;
    int32_t* max = min + plan.columns;
    std::fill_n(min, plan.columns, MinMaxBits().min);
    std::fill_n(max, plan.columns, MinMaxBits().max);
    for (int64_t c = 0; c < plan.columns; c += plan.panel) {
      const int64_t n = std::min(plan.panel, plan.columns - c);
      task.Measure(lead, row, std::min(row + plan.segment_size, plan.rows), c, n, min + c, max + c);
    }
  }
}

void EncodeColumnSegments(const RowwisePlan& plan, int64_t begin, int64_t end, const int32_t* partial) {
  ColumnTask task(plan);
  const FpEnv env(FpEnv::kDefault);
  int32_t min[kPanelColumns], max[kPanelColumns];
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t lead = unit / plan.segments, segment = unit % plan.segments;
    const int64_t row = segment * plan.segment_size;
    for (int64_t c = 0; c < plan.columns; c += plan.panel) {
      const int64_t n = std::min(plan.panel, plan.columns - c);
      std::fill_n(min, n, MinMaxBits().min);
      std::fill_n(max, n, MinMaxBits().max);
      for (int64_t s = 0; s < plan.segments; ++s) {
        const int32_t* part = partial + (lead * plan.segments + s) * 2 * plan.columns;
        for (int64_t i = 0; i < n; ++i) {
          min[i] = std::min(min[i], part[c + i]);
          max[i] = std::max(max[i], part[plan.columns + c + i]);
        }
      }
      task.Finish(lead, c, n, min, max, segment == 0);
      if (plan.stage != Stage::kMeasure) {
        task.Encode(lead, row, std::min(row + plan.segment_size, plan.rows), c, n);
      }
    }
  }
}

}  // namespace kvant
