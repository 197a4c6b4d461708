// Any tensor of a file as real numbers: codes are dequantized on the way.
#ifndef CLI_VALUES_H_
#define CLI_VALUES_H_

#include "cli/piece_io.h"

namespace kvant::cli {

class TensorValues {
 public:
  // `set` and `entry` (of its file) stay alive.
  TensorValues(const TensorSet& set, const TensorEntry& entry, const ExecOptions& exec);

  // Whether there are numbers: not for C64 and types of less than a byte.
  bool readable() const;
  // The tensor as [batch, row, column], rows being its dimension -2; boxes for Read are parts of it that are
  // contiguous, whole rows or one row from a multiple of `unit` columns on, such as PieceSize makes.
  const Box& whole() const { return whole_; }
  int64_t unit() const;

  // Only of codes: into float16, bfloat16 or float32.
  Status Dequantize(const Box& box, DType dtype, void* dst);
  // Bytes of the file that hold a box, without scales and offsets.
  int64_t Bytes(const Box& box) const;
  // Whether a double may round a number: 64-bit integers, which a long double of at least 64 bits holds.
  bool wide() const { return entry_.type == ElementType::kI64 || entry_.type == ElementType::kU64; }
  // What the tensor stands for, exactly but for wide() numbers in a double. Real is double or long double.
  template <class Real>
  Status Read(const Box& box, Real* dst);

 private:
  const TensorEntry& entry_;
  const QuantizedTensor* const quantized_;
  const Located where_;
  const ExecOptions exec_;
  const Box whole_;
  Buffer raw_, scale_, offset_, real_;
};

// "float16", "int4 of bfloat16", "I64": for listings.
std::string TypeText(const TensorSet& set, const TensorEntry& entry);

}  // namespace kvant::cli

#endif  // CLI_VALUES_H_
