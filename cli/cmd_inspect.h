// kvant inspect
#ifndef CLI_CMD_INSPECT_H_
#define CLI_CMD_INSPECT_H_

#include <string>

#include "cli/common.h"
#include "cli/selection.h"

namespace kvant::cli {

struct InspectOptions {
  std::string input;
  Selection selection;
  bool header_only = false;   // names, shapes and types: nothing of the data is read
  double outlier_factor = 5;  // an outlier row has an amax above this times the median row's
  int threads = 0;
  int64_t block_bytes = kBlockBytes;
  bool json = false;
};

Status RunInspect(const InspectOptions& options);

}  // namespace kvant::cli

#endif  // CLI_CMD_INSPECT_H_
