// kvant bench
#ifndef CLI_CMD_BENCH_H_
#define CLI_CMD_BENCH_H_

#include <optional>
#include <string_view>
#include <vector>

#include "cli/common.h"
#include "kvant/core/dtype.h"
#include "kvant/formats/format.h"
#include "kvant/rowwise/quant_mode.h"

namespace kvant::cli {

struct BenchOptions {
  struct Shape {
    int64_t rows, columns;
  };
  std::vector<Shape> shapes = {{1, 4096}, {16, 4096}, {128, 7168}, {4096, 4096}};
  DType dtype = DType::kFloat16;
  std::vector<Format> formats;    // none: int8, int4 and, without groups, float8_e4m3fn and hifloat8
  std::optional<bool> symmetric;  // absent: asymmetric for integers, symmetric for the others
  QuantMode mode = QuantMode::kPerToken;
  int64_t group_size = 0;
  int threads = 1;
  double seconds = 0.3;  // for each cell
  bool json = false;
};

// "128x7168"; false for anything else and for sizes below 1.
bool ParseBenchShape(std::string_view text, BenchOptions::Shape* shape);

Status RunBench(const BenchOptions& options);

}  // namespace kvant::cli

#endif  // CLI_CMD_BENCH_H_
