// What is legal for row-wise operators, and what shapes come out: every check, once. Each function returns the first
// violation, naming the operator, the argument and both values.
#ifndef KVANT_ROWWISE_RULES_H_
#define KVANT_ROWWISE_RULES_H_

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "kvant/core/status.h"
#include "kvant/core/tensor.h"
#include "kvant/formats/format.h"
#include "kvant/rowwise/quant_mode.h"

namespace kvant {

// The inputs that dynamic_quant, its parts and dequantize share.
struct RowwiseInputs {
  std::string_view op;
  const ConstTensorView& x;
  const ConstTensorView& smooth_scales;
  const ConstTensorView& group_index;
  QuantMode quant_mode;
  int64_t group_size;
  std::string_view x_name = "x";  // what the caller calls x
  bool has_groups = true;         // whether the operator has a group_index
};

// A tensor argument with its name.
struct NamedTensor {
  std::string_view name;
  const ConstTensorView& tensor;
};

// x, smooth_scales and the shape (not the values) of group_index; group_size.
Status CheckInputs(const RowwiseInputs& in);

// group_size is for pertoken INT4 and INT8, and INT4 rows (and groups) are even.
Status CheckFormat(const RowwiseInputs& in, Format format);

// D of `format`: dst_type_max for HIFLOAT8, which must be 0 for others.
Status CheckDstTypeMax(std::string_view op, Format format, double dst_type_max, float* d);

// The shape of one value per row, tensor or channel of x.
TensorSpec ParamSpec(const ConstTensorView& x, QuantMode mode, int64_t group_size);

// The shape of the codes of a tensor shaped like x in `storage`.
TensorSpec CodeSpec(const ConstTensorView& x, Format format, DType storage);

// The dtype and shape of t.
TensorSpec SpecOf(const ConstTensorView& t);

// What sizes in bytes, and a few of them added up, fit 64 bits for.
inline constexpr int64_t kMostElements = int64_t{1} << 52;
inline bool CanBeCounted(std::span<const int64_t> shape) {
  int64_t elements = 1;
  bool fits = true, empty = false;
  for (const int64_t extent : shape) {
    fits &= !__builtin_mul_overflow(elements, extent, &elements) && elements <= kMostElements;
    empty |= extent == 0;
  }
  return fits || empty;
}
// A tensor that must be there: with memory, of rank 0..kMaxRank, of at most so many elements.
Status DescribeAbsence(std::string_view op, NamedTensor t);
inline Status CheckPresent(std::string_view op, NamedTensor t) {
  const ConstTensorView& v = t.tensor;
  bool usable = v.rank() >= 0 && v.rank() <= kMaxRank && v.data() != nullptr && CanBeCounted(v.shape());
  for (const int64_t extent : v.shape()) usable &= extent >= 0;
  return usable ? Status() : DescribeAbsence(op, t);
}
// A tensor of exactly this dtype and shape.
Status CheckSpec(std::string_view op, NamedTensor t, const TensorSpec& spec);
// Codes of `format` may live in elements of t's dtype.
Status CheckStorage(std::string_view op, NamedTensor t, Format format);
// Codes: shape and storage as CodeSpec says for one of the storages the format allows, packed dimension contiguous.
Status CheckCodes(std::string_view op, NamedTensor codes, const ConstTensorView& x, Format format);
// All tensors are on one device. Absent ones are skipped.
Status CheckDevice(std::string_view op, std::initializer_list<NamedTensor> tensors, Device device);
// CheckDevice of all, and no output overlaps itself, another output or an input. Absent tensors are skipped.
Status CheckOverlap(std::string_view op, std::initializer_list<NamedTensor> outputs,
                    std::initializer_list<NamedTensor> inputs, Device device = Device::kCpu);

// "float16, bfloat16 or float32" if t's dtype is none of them.
Status CheckFloat(std::string_view op, NamedTensor t);
// "int32 or int64", likewise.
Status CheckIndex(std::string_view op, NamedTensor t);

// "[2, 3]"
std::string ShapeText(std::span<const int64_t> shape);

}  // namespace kvant

#endif  // KVANT_ROWWISE_RULES_H_
