// kvant quantize
#ifndef CLI_CMD_QUANTIZE_H_
#define CLI_CMD_QUANTIZE_H_

#include <string>

#include "cli/common.h"
#include "cli/selection.h"
#include "kvant/formats/format.h"
#include "kvant/rowwise/quant_mode.h"

namespace kvant::cli {

struct QuantizeOptions {
  std::string input, output;
  Selection selection;
  bool only = false;
  Format dst_type = Format::kInt8;
  bool symmetric = false;
  QuantMode mode = QuantMode::kPerToken;
  int64_t group_size = 0;
  double dst_type_max = 0;
  std::string smooth, group_index;
  int threads = 0;
  int64_t block_bytes = kBlockBytes;
  bool json = false;
};

Status RunQuantize(const QuantizeOptions& options);

}  // namespace kvant::cli

#endif  // CLI_CMD_QUANTIZE_H_
