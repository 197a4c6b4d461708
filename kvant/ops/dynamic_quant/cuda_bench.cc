// dynamic_quant on a device: many rows of every usual length, and the few rows of decoding.
#include <fmt/format.h>

#include "kvant/ops/dynamic_quant/cuda.h"
#include "kvant/testing/cuda_bench.h"

namespace kvant::bench {
namespace {

struct Kind {
  DType dtype = DType::kBFloat16;
  Format format = Format::kInt8;
  bool symmetric = false;

  int64_t code_bytes(int64_t columns) const { return columns * Info(format).bits / 8; }
  int64_t row_bytes(int64_t columns) const {
    return columns * ByteSize(dtype) + code_bytes(columns) + (symmetric ? 4 : 8);
  }
};

void Add(int64_t rows, int64_t columns, const Kind& kind, bool quick = false) {
  constexpr int64_t kWorkspace = 1 << 16;
  const auto [dtype, format, symmetric] = kind;
  const int64_t code_bytes = kind.code_bytes(columns);
  const bool cut = rows == 1 && columns > 16384;  // into pieces
  CudaCase c;
  c.name = fmt::format("dynamic_quant/{}x{}/{}/{}{}", rows, columns, Name(dtype), Name(format),
                       symmetric ? "/symmetric" : "");
  c.tensors = {{rows * columns * ByteSize(dtype), Normal(dtype)},
               {rows * code_bytes, {}},
               {rows * 4, {}},
               {rows * 4, {}},
               {cut ? kWorkspace : 1, {}}};
  c.moved = rows * kind.row_bytes(columns);
  c.call = [=](const std::vector<char*>& b, const cuda::Exec& exec) {
    DynamicQuantArgs args;
    args.x = ConstTensorView(b[0], dtype, {rows, columns});
    args.dst_type = format;
    args.symmetric = symmetric;
    args.y = TensorView(b[1], StorageType(format), {rows, code_bytes});
    args.scale = TensorView(b[2], DType::kFloat32, {rows});
    if (!symmetric) args.offset = TensorView(b[3], DType::kFloat32, {rows});
    OnDevice(args.x, args.y, args.scale, args.offset);
    cuda::Exec with = exec;
    if (cut) {
      with.workspace = b[4];
      with.workspace_bytes = kWorkspace;
    }
    return cuda::DynamicQuant(args, with).ok();
  };
  c.goal = format == Format::kHiFloat8 ? Goal::kNone : GoalOf(rows, columns, c.moved);
  c.quick = quick;
  AddCudaCase(std::move(c));
}

constexpr Format kFormats[] = {Format::kInt8, Format::kInt4, Format::kFloat8E4M3FN};
constexpr int64_t kElements = 48 << 20;  // 144 MiB of 16-bit numbers to bytes

void AddMany() {
  for (const Format format : kFormats) {
    for (const int64_t columns : kRowLengths) {
      Add(kElements / columns, columns, {DType::kBFloat16, format}, QuickLength(columns));
    }
  }
  for (const int64_t columns : kFewRowLengths) {
    Add(kElements / columns, columns, {DType::kBFloat16, Format::kFloat8E4M3FN, true});
  }
  for (const int64_t columns : {128, 256, 65536}) Add(kElements / columns, columns, {});
  // As few bytes as the goal is for.
  for (const Format format : kFormats) {
    for (const int64_t columns : {512, 1000, 2056, 4096, 7168, 16384}) {
      const Kind kind{DType::kBFloat16, format};
      Add(RowsFor(kGoalBytes, kind.row_bytes(columns)), columns, kind, columns == 4096 || columns == 16384);
    }
  }
  for (const Format format : {Format::kInt8, Format::kInt4, Format::kFloat8E4M3FN, Format::kHiFloat8}) {
    for (const bool symmetric : {true, false}) {
      for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat32}) {
        Add(kElements / 4096, 4096, {dtype, format, symmetric}, dtype == DType::kFloat16);
      }
    }
  }
}

void AddFew() {
  for (const Format format : kFormats) {
    for (const int64_t rows : {1, 16}) {
      for (const int64_t columns : {1024, 5000, 8192}) Add(rows, columns, {DType::kBFloat16, format}, columns == 8192);
    }
  }
  for (const int64_t rows : {1, 4, 16}) {
    for (const int64_t columns : {512, 1024, 4096, 7168, 8192}) {
      Add(rows, columns, {}, rows != 4 && (columns == 1024 || columns == 4096));
    }
  }
  for (const int64_t rows : {1, 16}) Add(rows, 8192, {DType::kFloat32, Format::kInt8});
  for (const int64_t rows : {1, 16, 64, 256}) Add(rows, 16384, {});
  for (const int64_t rows : {64, 256, 1024}) Add(rows, 4096, {}, rows == 256);
  Add(1, 1 << 20, {});
}

[[maybe_unused]] const bool kAdded = (AddMany(), AddFew(), true);

}  // namespace
}  // namespace kvant::bench
