// kvant compare
#ifndef CLI_CMD_COMPARE_H_
#define CLI_CMD_COMPARE_H_

#include <string>

#include "cli/common.h"
#include "cli/selection.h"

namespace kvant::cli {

struct CompareOptions {
  std::string a, b;
  Selection selection;
  int threads = 0;
  int64_t block_bytes = kBlockBytes;
  bool json = false;
};

Status RunCompare(const CompareOptions& options);

}  // namespace kvant::cli

#endif  // CLI_CMD_COMPARE_H_
