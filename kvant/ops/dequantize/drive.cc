#include <algorithm>
#include <bit>
#include <cstring>

#include "kvant/numerics/fp_env.h"
#include "kvant/ops/dequantize/plan.h"
#include "kvant/rowwise/cpu_tuning.h"
#include "kvant/rowwise/pieces.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace kvant::dequantize {
namespace {

constexpr uint32_t kSign = 0x80000000;
constexpr float kNoOffset[kPiece] = {};

// Columns whose parameters stay in L1 from row to row (up to 1.18 times as fast in L2), and rows for which that pays.
// From beyond L2 such short pieces of rows cost more than they save.
constexpr int64_t kColumnsInL1 = 1024, kRowsForL1 = 4;

// One task's view of a plan.
class Task {
 public:
  explicit Task(const Plan& plan)
      : plan_(plan),
        grid_(plan.grid),
        x_bytes_(ByteSize(plan.x_dtype)),
        per_byte_(plan.format == Format::kInt4 ? 2 : 1),
        by_column_(grid_.column_stride(kScale) != 0 || grid_.column_stride(kOffset) != 0),
        direct_x_(grid_.column_stride(kX) == x_bytes_),
        direct_codes_(grid_.column_stride(kCodes) == 1),
        wide_(plan.param_dtype == DType::kFloat32),
        far_(FarRows()) {
    const int f = static_cast<int>(plan.format), x = ResultIndex(plan.x_dtype);
    decode_ = by_column_ ? plan.kernels->columns[f][x] : plan.kernels->rows[f][x];
  }

  void Run(const GridPart& part) {
    const bool direct = direct_x_ && direct_codes_;
    int64_t limit = direct && !by_column_ ? part.column_end - part.column : kPiece;
    if (by_column_ && direct && !far_ && part.row_end - part.row >= kRowsForL1) limit = kColumnsInL1;
    // Rows that one call can take.
    const bool many = direct && (!by_column_ || (grid_.row_stride(kScale) == 0 && grid_.row_stride(kOffset) == 0));
    for (int64_t column = part.column; column < part.column_end; column += limit) {
      const int64_t n = std::min(limit, part.column_end - column);
      GridRows rows(grid_, part.row);
      for (int64_t row = part.row; row < part.row_end;) {
        int64_t count = many ? std::min(rows.run(), part.row_end - row) : 1;
        if (!wide_) count = std::min(count, kPiece);
        Decode(rows, count, column, n);
        row += count;
        rows.Advance(count);
      }
    }
  }

 private:
  // `count` rows from the one at `rows` on.
  void Decode(const GridRows& rows, int64_t count, int64_t column, int64_t n) {
    const auto at = [&](int tensor) { return rows.offset(tensor) + column * grid_.column_stride(tensor); };
    DecodeArgs a{};
    a.rows = count;
    a.n = n;
    a.codes = reinterpret_cast<const uint8_t*>(plan_.codes) + at(kCodes) / per_byte_;
    a.codes_stride = grid_.row_stride(kCodes) / per_byte_;
    a.x = plan_.x + at(kX);
    a.x_stride = grid_.row_stride(kX);
    a.stream = plan_.streaming;
    a.far = far_;
    if (by_column_) {
      a.scale = Parameters(plan_.scale + at(kScale), kScale, n, 0, &scale_);
      a.offset = plan_.offset == nullptr
                     ? reinterpret_cast<const char*>(kNoOffset)
                     : Parameters(plan_.offset + at(kOffset), kOffset, n, plan_.negate ? kSign : 0, &offset_);
    } else {
      a.scale = plan_.scale + at(kScale);
      a.scale_stride = grid_.row_stride(kScale);
      a.offset = plan_.offset == nullptr ? reinterpret_cast<const char*>(kNoOffset) : plan_.offset + at(kOffset);
      a.offset_stride = grid_.row_stride(kOffset);
      a.offset_sign = plan_.negate ? kSign : 0;
      if (!wide_) {
        Widen(&a.scale, &a.scale_stride, count, &scale_);
        if (plan_.offset != nullptr) Widen(&a.offset, &a.offset_stride, count, &offset_);
      }
    }
    if (!direct_codes_) {
      Gather(reinterpret_cast<const char*>(a.codes), grid_.column_stride(kCodes), n, 1, codes_);
      a.codes = reinterpret_cast<const uint8_t*>(codes_);
    }
    if (direct_x_) return decode_(a);
    char* x = a.x;
    a.x = x_;
    decode_(a);
    Scatter(x_, n, grid_.column_stride(kX), x_bytes_, x);
  }

  // See DecodeArgs.
  bool FarRows() const {
    const int64_t row = grid_.columns() * x_bytes_;
    return row >= kLeastAsked && grid_.rows() * row >= kBeyondL2 && grid_.row_stride(kX) == row;
  }

  // Parameters of consecutive columns, as they lie in memory or copied.
  struct Held {
    const char* from = nullptr;
    int64_t n = 0;
    alignas(64) float values[kPiece];
  };
  const char* Parameters(const char* from, int tensor, int64_t n, uint32_t sign, Held* held) {
    const int64_t step = grid_.column_stride(tensor);
    if (wide_ && step == sizeof(float) && sign == 0) return from;
    if (from != held->from || n != held->n) {
      ConvertToFloat(from, plan_.param_dtype, step, n, held->values);
      for (int64_t i = 0; sign != 0 && i < n; ++i) {
        held->values[i] = std::bit_cast<float>(std::bit_cast<uint32_t>(held->values[i]) ^ sign);
      }
      held->from = from;
      held->n = n;
    }
    return reinterpret_cast<const char*>(held->values);
  }

  // Parameters of consecutive rows as fp32.
  void Widen(const char** values, int64_t* stride, int64_t count, Held* held) const {
    ConvertToFloat(*values, plan_.param_dtype, *stride, count, held->values);
    *values = reinterpret_cast<const char*>(held->values);
    *stride = sizeof(float);
  }

  const Plan& plan_;
  const Grid& grid_;
  const int64_t x_bytes_, per_byte_;
  const bool by_column_, direct_x_, direct_codes_, wide_, far_;
  DecodeFunction decode_;
  Held scale_, offset_;
  alignas(64) char codes_[kPiece];
  alignas(64) char x_[kPiece * sizeof(float)];
};

}  // namespace

void RunPart(const void* plan, const GridPart& part) {
  const Plan& p = *static_cast<const Plan*>(plan);
  const FpEnv env(FpEnv::kDefault);
  Task(p).Run(part);
#if defined(__x86_64__)
  if (p.streaming) _mm_sfence();
#endif
}

}  // namespace kvant::dequantize
