// The options of `kvant bench`, `kvant bench-cache` and `kvant bench-swiglu`.
#ifndef CLI_ARGUMENTS_BENCH_H_
#define CLI_ARGUMENTS_BENCH_H_

#include "cli/options.h"

namespace kvant::cli {

// Add a command to `root` that sets `run`.
void AddBench(CLI::App* root, Run* run);
void AddBenchCache(CLI::App* root, Run* run);
void AddBenchSwiglu(CLI::App* root, Run* run);

}  // namespace kvant::cli

#endif  // CLI_ARGUMENTS_BENCH_H_
