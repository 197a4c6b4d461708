// Dynamic quantization of a tensor that may be larger than memory.
#ifndef CLI_QUANTIZE_TENSOR_H_
#define CLI_QUANTIZE_TENSOR_H_

#include "cli/piece_io.h"
#include "kvant/ops/dynamic_quant/dynamic_quant.h"

namespace kvant::cli {

// One tensor and what to do with it. Of `args` everything counts but the views of x and the results.
struct QuantizeTask {
  Located x;
  DynamicQuantArgs args;
  Sink codes, scale, offset;  // offset: asymmetric only
};

// The errors that DynamicQuant would give, group_index included; reads nothing of the tensor.
Status CheckQuantize(const QuantizeTask& task);

// Bytes of input that QuantizeTensor reads: twice the tensor where a scale needs more than one block.
int64_t BytesToRead(const QuantizeTask& task, int64_t block_bytes);

// The bytes that DynamicQuant writes for the whole tensor, whatever the block size. Where one scale's elements do not
// fit in a block, statistics come first and are merged, then the codes, in a second reading.
Status QuantizeTensor(const QuantizeTask& task, const Streaming& how);

}  // namespace kvant::cli

#endif  // CLI_QUANTIZE_TENSOR_H_
