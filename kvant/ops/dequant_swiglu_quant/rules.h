// What is legal for dequant_swiglu_quant, the shapes of its results, and which parameter row is where.
#ifndef KVANT_OPS_DEQUANT_SWIGLU_QUANT_RULES_H_
#define KVANT_OPS_DEQUANT_SWIGLU_QUANT_RULES_H_

#include <string_view>

#include "kvant/core/macros.h"
#include "kvant/ops/dequant_swiglu_quant/dequant_swiglu_quant.h"
#include "kvant/ops/dequant_swiglu_quant/kernels.h"

namespace kvant::swiglu {

inline constexpr std::string_view kOp = "dequant_swiglu_quant";

// Numbers for parameter rows and columns: which bytes hold the one of a row and column.
struct Table {
  bool present = false;
  const char* data = nullptr;
  DType dtype = DType::kFloat32;
  int64_t rows = 1;  // one serves every parameter row
  int64_t row_stride = 0;
  int64_t step = 0;  // of columns; 0: one number for all
  bool one_for_all_columns = false;

  KVANT_HOST_DEVICE const char* Row(int64_t row) const { return data + (rows == 1 ? 0 : row * row_stride); }
};

// How group_index names parameter rows.
enum class Grouping : uint8_t { kNone, kCounts, kPairs };

// What legal arguments say.
struct Problem {
  int64_t rows = 0, columns = 0;  // of y
  Grouping grouping = Grouping::kNone;
  int64_t parameter_rows = -1;  // -1: no table says how many there are
  Table weight_scale, bias, quant_scale, quant_offset;
  Attributes attributes;
};

// Every check but those of the results and of the values of group_index.
Status CheckInputs(const DequantSwigluQuantArgs& args, Problem* problem);
// y and scale, and that nothing overlaps.
Status CheckOutputs(const DequantSwigluQuantArgs& args, Device device = Device::kCpu);

// x with its last dimension halved: the shape of y.
ConstTensorView HalfOf(const ConstTensorView& x);

}  // namespace kvant::swiglu

#endif  // KVANT_OPS_DEQUANT_SWIGLU_QUANT_RULES_H_
