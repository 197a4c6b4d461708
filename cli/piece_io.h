// Boxes of tensors between files and memory.
#ifndef CLI_PIECE_IO_H_
#define CLI_PIECE_IO_H_

#include <cstdint>

#include "cli/box.h"
#include "cli/io/progress.h"
#include "cli/io/tensor_file_writer.h"
#include "cli/tensor_set.h"
#include "kvant/core/exec.h"
#include "kvant/core/tensor.h"

namespace kvant::cli {

// How to work through a tensor. None of it changes a result.
struct Streaming {
  int64_t block_bytes = 0;  // of input held in memory at a time, at least
  ExecOptions exec;
  Progress* progress = nullptr;
};

// A tensor of a file being written.
struct Sink {
  TensorFileWriter* writer = nullptr;
  size_t entry = 0;

  Status Write(int64_t begin, const void* src, int64_t n) const { return writer->WriteRange(entry, begin, src, n); }
};

// `tensor` is all of it, `box` the part; `bits` of an element, INT4 included. Elements of a box are contiguous in
// memory.
inline Status ReadBox(const Located& from, const Box& tensor, const Box& box, int64_t bits, char* dst) {
  return ForEachRun(tensor, box, [&](int64_t first, int64_t elements) {
    const int64_t bytes = elements * bits / 8;
    KVANT_RETURN_IF_ERROR(from.file->ReadRange(*from.entry, first * bits / 8, dst, bytes));
    dst += bytes;
    return Status();
  });
}

inline Status WriteBox(const Sink& to, const Box& tensor, const Box& box, int64_t bits, const char* src) {
  return ForEachRun(tensor, box, [&](int64_t first, int64_t elements) {
    const int64_t bytes = elements * bits / 8;
    KVANT_RETURN_IF_ERROR(to.Write(first * bits / 8, src, bytes));
    src += bytes;
    return Status();
  });
}

// The bytes of a tensor as they are.
Status CopyTensor(const Located& from, const Sink& to, const Streaming& how, Buffer* buffer);

// A box in the shape that an operator in `mode` takes: rows and columns, for perchannel batches before them.
inline ConstTensorView ViewBox(const void* data, DType dtype, const Box& box, QuantMode mode, int64_t per_element = 1) {
  const int64_t columns = box.columns() / per_element;
  if (mode == QuantMode::kPerChannel) return {data, dtype, {box.batches(), box.rows(), columns}};
  return {data, dtype, {box.rows(), columns}};
}
inline TensorView ViewBox(void* data, DType dtype, const Box& box, QuantMode mode, int64_t per_element = 1) {
  const int64_t columns = box.columns() / per_element;
  if (mode == QuantMode::kPerChannel) return {data, dtype, {box.batches(), box.rows(), columns}};
  return {data, dtype, {box.rows(), columns}};
}

// The scales that belong to such a view.
inline TensorView ViewParams(float* data, const Box& box, QuantMode mode, int64_t group_size) {
  if (mode == QuantMode::kPerTensor) return {data, DType::kFloat32, {1}};
  if (mode == QuantMode::kPerChannel) return {data, DType::kFloat32, {box.batches(), box.columns()}};
  if (group_size == 0) return {data, DType::kFloat32, {box.rows()}};
  return {data, DType::kFloat32, {box.rows(), box.columns() / group_size}};
}

}  // namespace kvant::cli

#endif  // CLI_PIECE_IO_H_
