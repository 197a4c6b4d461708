// A dequantization with every choice made: pointers, strides, kernels. Plain data; the driver runs it.
#ifndef KVANT_OPS_DEQUANTIZE_PLAN_H_
#define KVANT_OPS_DEQUANTIZE_PLAN_H_

#include "kvant/ops/dequantize/dequantize.h"
#include "kvant/ops/dequantize/kernels.h"
#include "kvant/rowwise/grid.h"

namespace kvant::dequantize {

// The grid's tensors. Strides of kCodes count codes, all others bytes.
enum : int { kX, kCodes, kScale, kOffset };

struct Plan {
  const Kernels* kernels;
  Format format;
  DType x_dtype;
  DType param_dtype;  // of scale and offset
  Grid grid;
  char* x;
  const char* codes;
  const char* scale;
  const char* offset;  // null: none
  bool negate;
  bool streaming;
};

// The grid of checked arguments.
Grid MakeGrid(const DequantizeArgs& args);

// The plan of checked arguments; x must be there.
Plan MakePlan(const DequantizeArgs& args, Target target, Stores stores);

// Decodes a part of plan, a Plan.
void RunPart(const void* plan, const GridPart& part);

}  // namespace kvant::dequantize

#endif  // KVANT_OPS_DEQUANTIZE_PLAN_H_
