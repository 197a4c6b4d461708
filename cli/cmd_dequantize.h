// kvant dequantize
#ifndef CLI_CMD_DEQUANTIZE_H_
#define CLI_CMD_DEQUANTIZE_H_

#include <optional>
#include <string>

#include "cli/common.h"
#include "cli/selection.h"
#include "kvant/core/dtype.h"

namespace kvant::cli {

struct DequantizeOptions {
  std::string input, output;
  Selection selection;
  std::optional<DType> dtype;  // absent: what each tensor was before
  int threads = 0;
  int64_t block_bytes = kBlockBytes;
  bool json = false;
};

Status RunDequantize(const DequantizeOptions& options);

}  // namespace kvant::cli

#endif  // CLI_CMD_DEQUANTIZE_H_
