// A static quantization with every choice made: pointers, strides, kernels. Plain data; Encoder runs it.
#ifndef KVANT_OPS_QUANTIZE_PLAN_H_
#define KVANT_OPS_QUANTIZE_PLAN_H_

#include "kvant/core/row_map.h"
#include "kvant/ops/quantize/quantize.h"
#include "kvant/rowwise/grid.h"
#include "kvant/rowwise/kernels.h"

namespace kvant::quantize {

// The grid's tensors: strides of y count codes, those of x bytes, and the third is the index of the parameters.
enum : int { kY, kX, kIndex };

// Scales or zero points; one element serves every index.
struct Parameter {
  const char* data = nullptr;
  DType dtype = DType::kFloat32;
  bool single = false;
  RowMap map;

  KVANT_HOST_DEVICE const char* At(int64_t index) const { return data + (single ? 0 : map.At(index)); }
};

struct Plan {
  const RowKernels* kernels;
  Format format;
  bool hybrid;
  bool reciprocal;
  DType x_dtype;
  Grid grid;
  // Where columns have parameters of their own: how many neighbours share one, and after how many columns the
  // parameters begin again.
  int64_t repeat;
  int64_t period;
  char* y;
  const char* x;
  Parameter scale;
  Parameter zero;  // data null: none
  bool streaming;
  bool far;  // x is larger than L2
};

// The grid of legal arguments with elements, before runs and rows are joined. `counted`: a dimension of x along which
// the grid's tensor `counter` counts positions; -1: none.
Grid MakeGrid(const QuantizeArgs& args, int counted = -1, int counter = 0);

Parameter MakeParameter(const ConstTensorView& t);

// The plan of legal arguments with elements, without streaming stores.
Plan MakePlan(const QuantizeArgs& args, Target target);

// Whether `code_bytes` of results, written as the plan says, should bypass the cache and may.
bool Streams(const Plan& plan, int64_t code_bytes, Stores stores);

}  // namespace kvant::quantize

#endif  // KVANT_OPS_QUANTIZE_PLAN_H_
