// Arguments of the C API as the C++ operators take them. Not installed.
#ifndef KVANT_C_API_ARGS_H_
#define KVANT_C_API_ARGS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kvant/c_api.h"
#include "kvant/core/exec.h"
#include "kvant/core/status.h"
#include "kvant/core/tensor.h"
#include "kvant/ops/ops.h"

namespace kvant::c_api {

// Reads the arguments of one call. The first problem is kept, and whatever is read after it is empty.
class ArgReader {
 public:
  // `args`: a struct of this version, or of a later one that sets none of the fields it adds.
  // Tensors have to be on `device`.
  template <class Args>
  ArgReader(std::string_view op, const Args* args, Device device = Device::kCpu) : op_(op), device_(device) {
    if (args == nullptr) {
      FailNull();
    } else {
      CheckSize("", args->struct_size, sizeof(Args), args);
    }
  }

  bool ok() const { return status_.ok(); }
  const Status& status() const { return status_; }

  // The view of a tensor; absent for NULL.
  TensorView Tensor(std::string_view name, const DLTensor* t);
  DType Type(std::string_view name, DLDataType t);

  // One of the enumerators first..last.
  template <class Enum>
  Enum Choice(std::string_view name, int32_t value) {
    return Choice(name, value, LastOf(Enum{}));
  }
  template <class Enum>
  Enum Choice(std::string_view name, int32_t value, Enum last, Enum first = Enum{}) {
    return static_cast<Enum>(CheckChoice(name, value, static_cast<int32_t>(first), static_cast<int32_t>(last)));
  }

  // Fails if there is such a tensor: `why` says why there is not.
  void ExpectAbsent(std::string_view name, const DLTensor* t, std::string_view why);

  // `parallel` is storage that the result points to.
  ExecOptions Exec(const kvant_exec* exec, ParallelFor* parallel);

  // A struct within the arguments, as the constructor judges them.
  template <class Struct>
  void CheckStruct(std::string_view prefix, const Struct* s) {
    if (ok()) CheckSize(prefix, s->struct_size, sizeof(Struct), s);
  }

 private:
  void Fail(Status status);
  void FailNull();
  void CheckSize(std::string_view prefix, size_t size, size_t known, const void* args);
  int32_t CheckChoice(std::string_view name, int32_t value, int32_t first, int32_t last);

  std::string_view op_;
  Device device_;
  Status status_;
};

Format ReadFormat(ArgReader& read, int32_t dst_type);

// Structs field by field.
DynamicQuantArgs Convert(ArgReader&, const kvant_dynamic_quant_args&);
RowStatsArgs Convert(ArgReader&, const kvant_row_stats_args&);
ParamsFromAmaxArgs Convert(ArgReader&, const kvant_params_from_amax_args&);
ParamsFromMinMaxArgs Convert(ArgReader&, const kvant_params_from_minmax_args&);
QuantizeWithParamsArgs Convert(ArgReader&, const kvant_quantize_with_params_args&);
QuantizeArgs Convert(ArgReader&, const kvant_quantize_args&);
DequantizeArgs Convert(ArgReader&, const kvant_dequantize_args&);
PackInt4Args Convert(ArgReader&, const kvant_pack_int4_args&);
UnpackInt4Args Convert(ArgReader&, const kvant_unpack_int4_args&);
ScatterUpdateArgs Convert(ArgReader&, const kvant_scatter_update_args&);
QuantScatterArgs Convert(ArgReader&, const kvant_quant_scatter_args&);
DynamicQuantUpdateScatterArgs Convert(ArgReader&, const kvant_dynamic_quant_update_scatter_args&);
DequantizeGatherArgs Convert(ArgReader&, const kvant_dequantize_gather_args&);
DequantSwigluQuantArgs Convert(ArgReader&, const kvant_dequant_swiglu_quant_args&);

// The structs that serve two operators, as the one in place takes them.
struct InPlace {
  ScatterUpdateInPlaceArgs operator()(ArgReader&, const kvant_scatter_update_args&) const;
  QuantScatterInPlaceArgs operator()(ArgReader&, const kvant_quant_scatter_args&) const;
};

DLDataType ToDLPack(DType dtype);

}  // namespace kvant::c_api

#endif  // KVANT_C_API_ARGS_H_
