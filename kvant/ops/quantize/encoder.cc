#include "kvant/ops/quantize/encoder.h"

#include <algorithm>
#include <bit>

#include "kvant/rowwise/pieces.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace kvant::quantize {
namespace {

static_assert(kPanel <= kPiece);

// fp16 elements are never subnormal.
bool Flushes(const Plan& plan) { return plan.kernels->flush_subnormals && plan.x_dtype != DType::kFloat16; }

}  // namespace

Encoder::Encoder(const Plan& plan)
    : plan_(plan),
      grid_(plan.grid),
      x_bytes_(ByteSize(plan.x_dtype)),
      per_byte_(plan.format == Format::kInt4 ? 2 : 1),
      by_column_(grid_.column_stride(kIndex) != 0),
      direct_x_(grid_.column_stride(kX) == x_bytes_),
      direct_y_(grid_.column_stride(kY) == 1),
      flushes_(Flushes(plan)),
      encoders_(plan.kernels->encode_columns[plan.hybrid ? kHybridColumns : static_cast<int>(plan.format)]),
      // Regular parameters allow flushing; EncodeRun undoes it for others.
      env_(flushes_ ? FpEnv::kFlush : FpEnv::kDefault),
      parameters_(plan) {}

Encoder::~Encoder() {
#if defined(__x86_64__)
  if (plan_.streaming) _mm_sfence();
#endif
}

void Encoder::Encode(const GridPart& part, const char* x, char* y) {
  for (int64_t column = part.column; column < part.column_end; column += kPiece) {
    const int64_t n = std::min(kPiece, part.column_end - column);
    GridRows rows(grid_, part.row);
    for (int64_t row = part.row; row < part.row_end; ++row, rows.Advance(1)) {
      if (!by_column_) parameters_.LoadOne(rows.offset(kIndex));
      EncodeRun(x + rows.offset(kX) + column * grid_.column_stride(kX), n, by_column_ ? column - loaded_ : 0,
                y + (rows.offset(kY) + column * grid_.column_stride(kY)) / per_byte_);
    }
  }
}

void Encoder::EncodeRun(const char* x, int64_t n, int64_t parameter, char* y, int32_t largest) {
  if (!direct_x_) {
    Gather(x, grid_.column_stride(kX), n, x_bytes_, x_);
    x = x_;
  }
  ColumnOp op = ColumnOp::kMultiply;
  if (!plan_.reciprocal) op = DividesFast(x, n, largest) ? ColumnOp::kDivideFast : ColumnOp::kDivide;
  char* codes = direct_y_ ? y : y_;
  const EncodeColumnsArgs args{x,
                               /*smooth=*/1.0f,
                               n,
                               parameters_.scale() + parameter,
                               parameters_.inverse() + parameter,
                               parameters_.zero() + parameter,
                               reinterpret_cast<uint8_t*>(codes),
                               plan_.kernels->flags | (plan_.streaming ? kStreamStores : 0u),
                               /*shared=*/!by_column_,
                               parameters_.fixed()};
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
bool Encoder::DividesFast(const void* x, int64_t n, int32_t largest) const {
  if (!parameters_.regular()) return false;
  if (largest < 0) largest = plan_.kernels->amax(x, nullptr, n, nullptr);
  const float limit = parameters_.smallest() * 0x1p100f;  // or infinity
  return largest < std::bit_cast<int32_t>(limit);
}

}  // namespace kvant::quantize
