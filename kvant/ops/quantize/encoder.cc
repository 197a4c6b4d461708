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

// Visits a part of a grid, which may be empty: its rows one after the other, each in pieces of at most kPiece columns.
class Pieces {
 public:
  Pieces(const Grid& grid, const GridPart& part)
      : grid_(grid),
        part_(part),
        row_(part.column < part.column_end ? part.row : part.row_end),
        column_(part.column),
        rows_(grid, part.row) {}

  bool done() const { return row_ == part_.row_end; }
  int64_t column() const { return column_; }
  int64_t columns() const { return std::min(kPiece, part_.column_end - column_); }
  int64_t offset(int tensor) const {
    return rows_.offset(tensor) + (tensor == kIndex ? 0 : column_ * grid_.column_stride(tensor));
  }
  void Advance() {
    column_ += kPiece;
    if (column_ < part_.column_end) return;
    column_ = part_.column;
    rows_.Advance(1);
    ++row_;
  }

 private:
  const Grid& grid_;
  const GridPart part_;
  int64_t row_, column_;
  GridRows rows_;
};

}  // namespace

Encoder::Encoder(const Plan& plan)
    : plan_(plan),
      grid_(plan.grid),
      x_bytes_(ByteSize(plan.x_dtype)),
      per_byte_(plan.format == Format::kInt4 ? 2 : 1),
      by_column_(grid_.column_stride(kIndex) != 0),
      direct_x_(grid_.column_stride(kX) == x_bytes_),
      direct_y_(grid_.column_stride(kY) == 1),
      asks_for_y_(direct_y_ && !plan.streaming),
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

void Encoder::Encode(const GridPart& part, const char* x, char* y, const Asked& meanwhile) {
  const auto encode = [&](const Pieces& at, const Asked& asked) {
    if (!by_column_) parameters_.LoadOne(at.offset(kIndex));
    EncodeRun(x + at.offset(kX), at.columns(), by_column_ ? at.column() - loaded_ : 0, y + at.offset(kY) / per_byte_,
              asked);
  };
  Pieces at(grid_, part);
  if (const int64_t bytes = at.columns() * x_bytes_; plan_.far && direct_x_ && bytes >= kLeastAsked) {
    // Pieces are asked for some pieces ahead, where those are as long.
    Pieces next = at;
    for (int64_t b = 0; b < kAskedAhead && !next.done(); b += bytes) next.Advance();
    for (; !next.done(); at.Advance(), next.Advance()) {
      if (next.columns() < at.columns()) {
        encode(at, {});
      } else {
        encode(at, {x + next.offset(kX), asks_for_y_ ? y + next.offset(kY) / per_byte_ : nullptr});
      }
    }
  }
  for (; !at.done(); at.Advance()) encode(at, meanwhile);
}

void Encoder::EncodeRun(const char* x, int64_t n, int64_t parameter, char* y, const Asked& asked, int32_t largest) {
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
                               plan_.kernels->flags | (plan_.streaming ? kStreamStores : 0u) | kFetchToL2,
                               /*shared=*/!by_column_,
                               parameters_.fixed(),
                               asked.x,
                               asked.y};
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
