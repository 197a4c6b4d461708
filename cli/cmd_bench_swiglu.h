// kvant bench-swiglu
#ifndef CLI_CMD_BENCH_SWIGLU_H_
#define CLI_CMD_BENCH_SWIGLU_H_

#include <vector>

#include "cli/cmd_bench.h"
#include "kvant/ops/dequant_swiglu_quant/dequant_swiglu_quant.h"

namespace kvant::cli {

struct SwigluBenchOptions {
  std::vector<BenchOptions::Shape> shapes = {{1, 4096}, {64, 4096}, {4608, 2048}, {4096, 14336}};  // of x
  std::vector<DType> dtypes = {DType::kInt32, DType::kBFloat16};
  Format format = Format::kInt8;
  SwigluMode mode = SwigluMode::kSwish;
  int64_t groups = 1;
  bool fixed_scales = false;  // static
  int threads = 1;
  double seconds = 0.3;  // for each line
  bool json = false;
};

// "int32" or a floating-point type.
bool ParseSwigluType(std::string_view text, DType* dtype);

Status RunSwigluBench(const SwigluBenchOptions& options);

}  // namespace kvant::cli

#endif  // CLI_CMD_BENCH_SWIGLU_H_
