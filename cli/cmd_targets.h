// kvant targets
#ifndef CLI_CMD_TARGETS_H_
#define CLI_CMD_TARGETS_H_

#include "cli/common.h"

namespace kvant::cli {

struct TargetsOptions {
  bool json = false;
};

Status RunTargets(const TargetsOptions& options);

}  // namespace kvant::cli

#endif  // CLI_CMD_TARGETS_H_
