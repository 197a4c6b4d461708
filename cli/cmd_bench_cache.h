// kvant bench-cache
#ifndef CLI_CMD_BENCH_CACHE_H_
#define CLI_CMD_BENCH_CACHE_H_

#include <string_view>
#include <vector>

#include "cli/common.h"
#include "kvant/core/dtype.h"
#include "kvant/formats/format.h"

namespace kvant::cli {

struct CacheBenchOptions {
  struct Shape {
    int64_t tokens, heads, dim;
  };
  std::vector<Shape> shapes = {{1, 8, 128}, {64, 8, 128}, {4096, 8, 128}};
  DType dtype = DType::kFloat16;
  std::vector<Format> formats = {Format::kInt8, Format::kInt4};
  int64_t group_size = 0;
  int64_t slots = 65536;  // of the cache; at least the tokens
  int threads = 1;
  double seconds = 0.3;  // for each line
  bool json = false;
};

// "64x8x128"; false for anything else and for sizes below 1.
bool ParseCacheShape(std::string_view text, CacheBenchOptions::Shape* shape);

Status RunCacheBench(const CacheBenchOptions& options);

}  // namespace kvant::cli

#endif  // CLI_CMD_BENCH_CACHE_H_
