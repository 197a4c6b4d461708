// The second half of kvant demo: a KV cache filled token by token, and what attention makes of it.
#ifndef CLI_DEMO_CACHE_H_
#define CLI_DEMO_CACHE_H_

#include <string>
#include <vector>

#include "cli/common.h"
#include "kvant/core/exec.h"

namespace kvant::cli {

struct CacheLine {
  std::string layer;              // "layer2"
  std::string kind;               // "int8 static", "int4 g32", "int4 row"
  int64_t before = 0, after = 0;  // bytes of K and V, and of codes and tables
  double sqnr = 0;                // of K and V, dB
  double cosine = 0;              // of all attention outputs
  double relative_error = 0;      // |out' - out| / |out| over all of them
  double microseconds = 0;        // to write a token's K and V
};

// K and V of every layer of a file, into each kind of cache and back.
Status RunCacheDemo(const std::string& path, const ExecOptions& exec, std::vector<CacheLine>* lines);

std::string CacheTable(const std::vector<CacheLine>& lines);

}  // namespace kvant::cli

#endif  // CLI_DEMO_CACHE_H_
