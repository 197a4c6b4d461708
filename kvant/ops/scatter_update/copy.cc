#include "kvant/ops/scatter_update/copy.h"

#include <cstring>

namespace kvant::scatter_update {
namespace {

// The grid's tensors; strides count bytes.
enum : int { kTo, kFrom };

struct TwoWords {
  uint64_t words[2];
};

template <class Word>
void CopyWords(char* to, int64_t to_step, const char* from, int64_t from_step, int64_t n) {
  for (int64_t i = 0; i < n; ++i) std::memcpy(to + i * to_step, from + i * from_step, sizeof(Word));
}

template <class Word>
void CopyRun(char* to, int64_t, const char* from, int64_t, int64_t n) {
  std::memcpy(to, from, static_cast<size_t>(n) * sizeof(Word));
}

struct CopyJob {
  const Copier& copier;
  char* to;
  const char* from;

  static void Run(const void* job, const GridPart& part) {
    const CopyJob& j = *static_cast<const CopyJob*>(job);
    j.copier.Copy(part, j.to, j.from);
  }
};

}  // namespace

Copier::Copier(const ConstTensorView& to, const ConstTensorView& from) {
  const int64_t bytes = ByteSize(to.dtype());
  for (int d = 0; d < to.rank(); ++d) grid_.Add({to.shape(d), {to.stride(d) * bytes, from.stride(d) * bytes}});
  grid_.Normalize(/*keep_last=*/false);
  // Single elements do not pay for a call of memcpy.
  const bool run = grid_.columns() > 1 && grid_.column_stride(kTo) == bytes && grid_.column_stride(kFrom) == bytes;
  switch (bytes) {
    case 1:
      run_ = run ? CopyRun<uint8_t> : CopyWords<uint8_t>;
      break;
    case 2:
      run_ = run ? CopyRun<uint16_t> : CopyWords<uint16_t>;
      break;
    case 4:
      run_ = run ? CopyRun<uint32_t> : CopyWords<uint32_t>;
      break;
    case 8:
      run_ = run ? CopyRun<uint64_t> : CopyWords<uint64_t>;
      break;
    default:
      run_ = run ? CopyRun<TwoWords> : CopyWords<TwoWords>;
      break;
  }
}

void Copier::Copy(const GridPart& part, char* to, const char* from) const {
  const int64_t to_step = grid_.column_stride(kTo), from_step = grid_.column_stride(kFrom);
  const int64_t n = part.column_end - part.column;
  to += part.column * to_step;
  from += part.column * from_step;
  if (grid_.rank == 1) return run_(to, to_step, from, from_step, n);  // a single row, which is what most updates are
  GridRows rows(grid_, part.row);
  for (int64_t row = part.row; row < part.row_end; ++row, rows.Advance(1)) {
    run_(to + rows.offset(kTo), to_step, from + rows.offset(kFrom), from_step, n);
  }
}

void CopyTensor(const TensorView& to, const ConstTensorView& from, const ExecOptions& exec) {
  if (to.elements() == 0) return;
  const Copier copier(to, from);
  const CopyJob job{copier, static_cast<char*>(to.data()), static_cast<const char*>(from.data())};
  RunGrid(copier.grid(), CutGrid(copier.grid(), exec), exec, CopyJob::Run, &job);
}

}  // namespace kvant::scatter_update
