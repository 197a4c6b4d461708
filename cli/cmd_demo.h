// kvant demo
#ifndef CLI_CMD_DEMO_H_
#define CLI_CMD_DEMO_H_

#include <string>

#include "cli/common.h"

namespace kvant::cli {

struct DemoOptions {
  std::string data;
  std::string program;  // how the user started kvant, for the commands that the demo ends with
  int threads = 1;
  bool json = false;
};

Status RunDemo(const DemoOptions& options);

}  // namespace kvant::cli

#endif  // CLI_CMD_DEMO_H_
