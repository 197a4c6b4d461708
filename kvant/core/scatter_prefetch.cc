#include "kvant/core/scatter_prefetch.h"

#include <algorithm>

namespace kvant {
namespace {

// Bytes on their way at a time.
constexpr int64_t kAheadBytes = 2048;
constexpr int64_t kMostAhead = 8;

}  // namespace

ScatterLines::ScatterLines(const ConstTensorView& window) {
  const int64_t bytes = ByteSize(window.dtype()), elements = window.elements();
  if (elements == 0) return;
  ahead = std::clamp<int64_t>(kAheadBytes / (elements * bytes), 1, kMostAhead);
  // Rows are runs of neighbours in the last dimension.
  const bool run = window.rank() > 0 && window.stride(-1) == 1;
  const int64_t row = run ? window.shape(-1) : 1, rows = elements / row;
  RowMap map;
  map.AppendLeading(window, run ? 1 : 0);
  for (int64_t j = 0, last = -kLine; j < rows && count < kMost; ++j) {
    const int64_t begin = map.At(j);
    for (int64_t at = begin; at < begin + row * bytes && count < kMost; at += kLine) {
      if (at >= last && at < last + kLine) continue;  // rows shorter than a line
      offset[count++] = last = at;
    }
    if (j > 16 * kMost) break;
  }
}

}  // namespace kvant
