// The last part of kvant demo: an MLP of a mixture of experts on INT8, with dequant_swiglu_quant between its products.
#ifndef CLI_DEMO_MOE_H_
#define CLI_DEMO_MOE_H_

#include <string>
#include <vector>

#include "cli/common.h"
#include "kvant/core/exec.h"

namespace kvant::cli {

struct MoeReport {
  int64_t tokens = 0, width = 0, inner = 0;
  std::vector<int64_t> counts;  // tokens of each expert
  // |out' - out| / |out| over all outputs, out in fp32 throughout; and the cosine between them.
  double relative_error = 0, cosine = 0;
  double relative_error_apart = 0;     // of the three steps one after the other
  int64_t codes = 0, codes_apart = 0;  // of the activation, and how many of them those steps make otherwise
  // Microseconds.
  double up = 0, fused = 0, dequantize = 0, swiglu = 0, quantize = 0, down = 0;
};

// On layer2.hidden of `activations`, with the experts that group_index of `experts` gives its tokens.
Status RunMoeDemo(const std::string& activations, const std::string& experts, const ExecOptions& exec,
                  MoeReport* report);

std::string MoeText(const MoeReport& report);

}  // namespace kvant::cli

#endif  // CLI_DEMO_MOE_H_
