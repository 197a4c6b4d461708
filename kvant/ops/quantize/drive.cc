#include <algorithm>
#include <bit>

#include "kvant/numerics/fp_env.h"
#include "kvant/ops/quantize/parameters.h"
#include "kvant/rowwise/cpu_tuning.h"
#include "kvant/rowwise/pieces.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace kvant::quantize {
namespace {

// One task's view of a plan.
class Task {
 public:
  explicit Task(const Plan& plan)
      : plan_(plan),
        grid_(plan.grid),
        x_bytes_(ByteSize(plan.x_dtype)),
        per_byte_(plan.format == Format::kInt4 ? 2 : 1),
        by_column_(grid_.column_stride(kIndex) != 0),
        direct_x_(grid_.column_stride(kX) == x_bytes_),
        direct_y_(grid_.column_stride(kY) == 1),
        flushes_(Flushes(plan)),
        encoders_(plan.kernels->encode_columns[plan.hybrid ? kHybridColumns : static_cast<int>(plan.format)]),
        parameters_(plan) {}

  // fp16 elements are never subnormal.
  static bool Flushes(const Plan& plan) { return plan.kernels->flush_subnormals && plan.x_dtype != DType::kFloat16; }

  void Run(const GridPart& part) {
    const int64_t limit = by_column_ ? kPanel : kPiece;
    for (int64_t column = part.column; column < part.column_end; column += limit) {
      const int64_t n = std::min(limit, part.column_end - column);
      if (by_column_) parameters_.LoadColumns(column, n, part.row_end - part.row);
      GridRows rows(grid_, part.row);
      for (int64_t row = part.row; row < part.row_end; ++row, rows.Advance(1)) {
        if (!by_column_) parameters_.LoadOne(rows.offset(kIndex));
        Encode(plan_.x + rows.offset(kX) + column * grid_.column_stride(kX), n,
               plan_.y + (rows.offset(kY) + column * grid_.column_stride(kY)) / per_byte_);
      }
    }
  }

 private:
  void Encode(const char* x, int64_t n, char* y) {
    if (!direct_x_) {
      Gather(x, grid_.column_stride(kX), n, x_bytes_, x_);
      x = x_;
    }
    ColumnOp op = ColumnOp::kMultiply;
    if (!plan_.reciprocal) op = DividesFast(x, n) ? ColumnOp::kDivideFast : ColumnOp::kDivide;
    char* codes = direct_y_ ? y : y_;
    const EncodeColumnsArgs args{x,
                                 /*smooth=*/1.0f,
                                 n,
                                 parameters_.scale(),
                                 parameters_.inverse(),
                                 parameters_.zero(),
                                 reinterpret_cast<uint8_t*>(codes),
                                 plan_.streaming ? kStreamStores : 0u,
                                 /*shared=*/!by_column_};
    const auto encode = encoders_[static_cast<int>(op)];
    if (flushes_ && (op == ColumnOp::kDivide || !parameters_.regular())) {
      const FpEnv exact(FpEnv::kDefault);
      encode(args);
    } else {
      encode(args);
    }
    if (!direct_y_) Scatter(y_, n, grid_.column_stride(kY), y);
  }

  // Whether all n elements are finite and their quotients below 2^100.
  bool DividesFast(const void* x, int64_t n) const {
    if (!parameters_.regular()) return false;
    const float limit = parameters_.smallest() * 0x1p100f;  // or infinity
    return plan_.kernels->amax(x, nullptr, n, nullptr) < std::bit_cast<int32_t>(limit);
  }

  const Plan& plan_;
  const Grid& grid_;
  const int64_t x_bytes_, per_byte_;
  const bool by_column_, direct_x_, direct_y_, flushes_;
  const EncodeColumnsFunction (&encoders_)[kNumColumnOps];
  Parameters parameters_;
  alignas(64) char x_[kPiece * sizeof(float)];
  alignas(64) char y_[kPiece];
};

}  // namespace

void RunPart(const void* plan, const GridPart& part) {
  const Plan& p = *static_cast<const Plan*>(plan);
  // Regular parameters allow flushing; Encode undoes it for others.
  const FpEnv env(Task::Flushes(p) ? FpEnv::kFlush : FpEnv::kDefault);
  Task(p).Run(part);
#if defined(__x86_64__)
  if (p.streaming) _mm_sfence();
#endif
}

}  // namespace kvant::quantize
