// Timing an operator beside a copy of the same bytes.
#ifndef CLI_BENCH_UTIL_H_
#define CLI_BENCH_UTIL_H_

#include <cstdint>
#include <functional>

#include "kvant/core/dtype.h"
#include "kvant/core/parallel.h"
#include "kvant/core/status.h"

namespace kvant::cli {

// What an operator moves: each byte once.
struct Traffic {
  const char* from = nullptr;
  int64_t read_bytes = 0;
  char* to = nullptr;  // aligned to 64 bytes; the copies overwrite it
  int64_t write_bytes = 0;
};

// Medians over rounds that time the operator and the copies in turns: clocks and neighbours change, their ratio does
// not.
struct Timing {
  double seconds = 0;
  double copy_seconds = 0, streaming_copy_seconds = 0;
  double of_copy = 0, of_streaming_copy = 0;  // share of the copy's speed: 1 is as fast

  double BytesPerSecond(const Traffic& t) const { return static_cast<double>(t.read_bytes + t.write_bytes) / seconds; }
};

// Runs `op` for about a third of `budget_seconds`, in at least five rounds, in turns with `copy(streaming)`. Fails with
// op's first failure.
Status MeasureBeside(const std::function<Status()>& op, const std::function<void(bool)>& copy, double budget_seconds,
                     Timing* timing);

// The same with a copy of contiguous bytes, on the threads of `parallel`.
Status MeasureBesideCopy(const std::function<Status()>& op, const Traffic& traffic, const ParallelFor& parallel,
                         double budget_seconds, Timing* timing);

// Roughly normal numbers with a few large ones, the same in every run.
void FillActivations(DType dtype, int64_t n, char* data);

}  // namespace kvant::cli

#endif  // CLI_BENCH_UTIL_H_
