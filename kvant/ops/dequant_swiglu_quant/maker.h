// Makes the SwiGLU values of a plan's rows.
#ifndef KVANT_OPS_DEQUANT_SWIGLU_QUANT_MAKER_H_
#define KVANT_OPS_DEQUANT_SWIGLU_QUANT_MAKER_H_

#include <algorithm>
#include <cstring>

#include "kvant/ops/dequant_swiglu_quant/flush.h"
#include "kvant/rowwise/pieces.h"

namespace kvant::swiglu {

// Makes SwiGLU values of parts of rows, with the parameters that are loaded. Holds buffers, so it lives on the stack.
class Maker {
 public:
  Maker(const Plan& plan, char* memory)
      : plan_(plan),
        interleaved_(plan.mode == SwigluMode::kClampedInterleaved),
        x_bytes_(ByteSize(plan.x_dtype)),
        direct_(plan.x.step == x_bytes_),
        function_(plan.kernels->swiglu[static_cast<int>(plan.bias)][static_cast<int>(plan.mode)]),
        parameters_(plan, memory) {
    piece_.attributes = plan.problem.attributes;
  }

  // Before anything is made.
  void Load(int64_t parameter_row) {
    parameters_.Load(parameter_row);
    pointed_ = -1;
  }

  // Where a row of x is, if it can be asked for ahead; null for -1.
  const char* Ahead(int64_t row) const { return row >= 0 && direct_ ? plan_.x.data + plan_.x.rows.At(row) : nullptr; }

  // Columns [from, to) of a row, in the state that is set. `next`: the row that comes next, or -1. Where `panels`, the
  // same columns of it are asked for; else the first three quarters of its first half (16-bit elements: of all of it).
  // The last one is left to who encodes: so both ask in proportion to the time they take (bfloat16 in DRAM: 15 % faster
  // than the reverse).
  Made Make(int64_t row, int64_t from, int64_t to, float* s, int64_t next = -1, bool panels = false) {
    Piece& piece = piece_;
    piece.row_scale = RowScale(row);
    piece.next = piece.next_lin = piece.second = nullptr;
    const char* x = plan_.x.data + plan_.x.rows.At(row);
    const char* next_x = Ahead(next);
    Made made;
    made.row_scale = piece.row_scale;
    const int64_t limit = direct_ ? to - from : kColumns;
    for (int64_t c = from; c < to; c += piece.n) {
      piece.n = std::min(limit, to - c);
      piece.s = s + (c - from);
      if (pointed_ != c) parameters_.Point(c, &piece);
      pointed_ = c;
      const int64_t at = c * plan_.x.step * (interleaved_ ? 2 : 1);
      piece.act = Elements(x + plan_.act + at, interleaved_ ? 2 * piece.n : piece.n, act_);
      piece.lin = interleaved_ ? nullptr : Elements(x + plan_.lin + at, piece.n, lin_);
      if (next_x != nullptr && panels) {
        piece.next = next_x + plan_.act + at;
        piece.next_lin = next_x + (interleaved_ ? plan_.act + at + piece.n * x_bytes_ : plan_.lin + at);
        piece.next_bytes = x_bytes_;
      } else if (next_x != nullptr) {
        piece.next = next_x + 3 * c;
        piece.next_bytes = 3;
        if (x_bytes_ == 4) {
          const int64_t second = (plan_.problem.columns + c) * 4;
          piece.second = x + second;
          piece.next_second = next_x + second;
        }
      }
      Made part;
      part.largest = function_(piece);
      made.Merge(part);
    }
    return made;
  }

  // The same in the state of the plan, which is set. Says whether something may have been flushed: by it, or by what
  // has run in this state since that was last asked.
  Made MakeFast(int64_t row, int64_t from, int64_t to, float* s, int64_t next = -1, bool panels = false) {
    if (!plan_.flushes) return Make(row, from, to, s, next, panels);
    Made made = Make(row, from, to, s, next, panels);
    made.flushed = FlushesOperands(plan_.x_dtype) || FpEnv::Flushed();
    return made;
  }

  bool Harmless(const Made& made, float scale) {
    return !made.flushed || FlushIsHarmless(plan_, parameters_.ranges(), made, scale);
  }

 private:
  float RowScale(int64_t row) const {
    if (plan_.activation == nullptr) return 1;
    float scale;
    std::memcpy(&scale, plan_.activation + plan_.activation_rows.At(row), sizeof(scale));
    return scale;
  }

  const char* Elements(const char* from, int64_t n, char* buffer) const {
    if (direct_) return from;
    Gather(from, plan_.x.step, n, x_bytes_, buffer);
    return buffer;
  }

  const Plan& plan_;
  const bool interleaved_;
  const int64_t x_bytes_;
  const bool direct_;
  const SwigluFunction function_;
  Parameters parameters_;
  Piece piece_{};         // what rows share is set once
  int64_t pointed_ = -1;  // column whose parameters it has
  alignas(64) char act_[2 * kColumns * 4];
  alignas(64) char lin_[kColumns * 4];
};

}  // namespace kvant::swiglu

#endif  // KVANT_OPS_DEQUANT_SWIGLU_QUANT_MAKER_H_
