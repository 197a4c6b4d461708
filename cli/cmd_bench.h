// kvant bench
#ifndef CLI_CMD_BENCH_H_
#define CLI_CMD_BENCH_H_

#include <optional>
#include <string_view>
#include <vector>

#include "cli/common.h"
#include "kvant/core/dtype.h"
#include "kvant/formats/format.h"

namespace kvant::cli {

struct BenchOptions {
  struct Shape {
    int64_t rows, columns;
  };
  std::vector<Shape> shapes = {{1, 4096}, {16, 4096}, {128, 7168}, {4096, 4096}};
  DType dtype = DType::kFloat16;
  std::vector<Format> formats = {Format::kInt8, Format::kInt4, Format::kFloat8E4M3FN, Format::kHiFloat8};
  std::optional<bool> symmetric;  // absent: asymmetric for integers, symmetric for the others
  int threads = 1;
  double seconds = 0.3;  // for each cell
  bool json = false;
};

// "128x7168"; false for anything else and for sizes below 1.
bool ParseBenchShape(std::string_view text, BenchOptions::Shape* shape);

Status RunBench(const BenchOptions& options);

}  // namespace kvant::cli

#endif  // CLI_CMD_BENCH_H_
