#include "kvant/c_api_args.h"
#include "kvant/c_api_call.h"
#include "kvant/c_api_cuda.h"
#include "kvant/kvant_cuda.h"

namespace kvant::c_api {
namespace {

static_assert(sizeof(kvant_cuda_exec) == offsetof(kvant_cuda_exec, deterministic) + sizeof(int64_t));

cuda::Exec ReadExec(ArgReader& read, const kvant_cuda_exec* exec) {
  cuda::Exec e;
  if (exec == nullptr) return e;
  read.CheckStruct("exec.", exec);
  if (!read.ok()) return e;
  e.stream = static_cast<CUstream_st*>(exec->stream);
  e.workspace = exec->workspace;
  e.workspace_bytes = exec->workspace_bytes;
  e.deterministic = exec->deterministic != 0;
  return e;
}

template <class Args, class Run, class Converter = ByConvert>
kvant_status CudaCall(std::string_view op, const Args* args, const kvant_cuda_exec* exec, Run run,
                      Converter convert = {}) noexcept {
  return Guard([&]() -> Status {
    ArgReader read(op, args, Device::kCuda);
    if (!read.ok()) return read.status();
    const auto cpp_args = convert(read, *args);
    const cuda::Exec e = ReadExec(read, exec);
    return read.ok() ? run(cpp_args, e) : read.status();
  });
}

// Of inputs; the results may be missing.
template <class Args, class Size>
int64_t WorkspaceOf(std::string_view op, const Args* args, Size size) noexcept {
  int64_t bytes = 0;
  const kvant_status status = Guard([&]() -> Status {
    ArgReader read(op, args, Device::kCuda);
    if (!read.ok()) return read.status();
    const auto cpp_args = Convert(read, *args);
    if (read.ok()) bytes = size(cpp_args);
    return read.status();
  });
  return status == KVANT_OK ? bytes : 0;
}

}  // namespace

// Declared in c_api_cuda.h at global scope: with C linkage the namespace of a definition does not matter.
extern "C" {

kvant_status kvant_cuda_dynamic_quant(const kvant_dynamic_quant_args* args, const kvant_cuda_exec* exec) {
  return CudaCall("dynamic_quant", args, exec, cuda::DynamicQuant);
}

kvant_status kvant_cuda_row_minmax(const kvant_row_stats_args* args, const kvant_cuda_exec* exec) {
  return CudaCall("row_minmax", args, exec, cuda::RowMinMax);
}

kvant_status kvant_cuda_row_amax(const kvant_row_stats_args* args, const kvant_cuda_exec* exec) {
  return CudaCall("row_amax", args, exec, cuda::RowAmax);
}

kvant_status kvant_cuda_params_from_amax(const kvant_params_from_amax_args* args, const kvant_cuda_exec* exec) {
  return CudaCall("params_from_amax", args, exec, cuda::ParamsFromAmax);
}

kvant_status kvant_cuda_params_from_minmax(const kvant_params_from_minmax_args* args, const kvant_cuda_exec* exec) {
  return CudaCall("params_from_minmax", args, exec, cuda::ParamsFromMinMax);
}

kvant_status kvant_cuda_quantize_with_params(const kvant_quantize_with_params_args* args, const kvant_cuda_exec* exec) {
  return CudaCall("quantize_with_params", args, exec, cuda::QuantizeWithParams);
}

kvant_status kvant_cuda_quantize(const kvant_quantize_args* args, const kvant_cuda_exec* exec) {
  return CudaCall("quantize", args, exec, cuda::Quantize);
}

kvant_status kvant_cuda_pack_int4(const kvant_pack_int4_args* args, const kvant_cuda_exec* exec) {
  return CudaCall("pack_int4", args, exec, cuda::PackInt4);
}

kvant_status kvant_cuda_unpack_int4(const kvant_unpack_int4_args* args, const kvant_cuda_exec* exec) {
  return CudaCall("unpack_int4", args, exec, cuda::UnpackInt4);
}

kvant_status kvant_cuda_dequantize(const kvant_dequantize_args* args, const kvant_cuda_exec* exec) {
  return CudaCall("dequantize", args, exec, cuda::Dequantize);
}

kvant_status kvant_cuda_scatter_update(const kvant_scatter_update_args* args, const kvant_cuda_exec* exec) {
  return CudaCall("scatter_update", args, exec, cuda::ScatterUpdate);
}

kvant_status kvant_cuda_quant_scatter(const kvant_quant_scatter_args* args, const kvant_cuda_exec* exec) {
  return CudaCall("quant_scatter", args, exec, cuda::QuantScatter);
}

kvant_status kvant_cuda_dynamic_quant_update_scatter(const kvant_dynamic_quant_update_scatter_args* args,
                                                     const kvant_cuda_exec* exec) {
  return CudaCall("dynamic_quant_update_scatter_", args, exec, cuda::DynamicQuantUpdateScatter);
}

kvant_status kvant_cuda_dequantize_gather(const kvant_dequantize_gather_args* args, const kvant_cuda_exec* exec) {
  return CudaCall("dequantize_gather", args, exec, cuda::DequantizeGather);
}

kvant_status kvant_cuda_dequant_swiglu_quant(const kvant_dequant_swiglu_quant_args* args, const kvant_cuda_exec* exec) {
  return CudaCall("dequant_swiglu_quant", args, exec, cuda::DequantSwigluQuant);
}

kvant_status kvant_cuda_scatter_update_in_place(const kvant_scatter_update_args* args, const kvant_cuda_exec* exec) {
  return CudaCall("scatter_update_", args, exec, cuda::ScatterUpdateInPlace, InPlace());
}

kvant_status kvant_cuda_quant_scatter_in_place(const kvant_quant_scatter_args* args, const kvant_cuda_exec* exec) {
  return CudaCall("quant_scatter_", args, exec, cuda::QuantScatterInPlace, InPlace());
}

int64_t kvant_cuda_dynamic_quant_workspace(const kvant_dynamic_quant_args* args) {
  return WorkspaceOf("dynamic_quant", args, cuda::DynamicQuantWorkspace);
}

int64_t kvant_cuda_row_stats_workspace(const kvant_row_stats_args* args) {
  return WorkspaceOf("row_stats", args, cuda::RowStatsWorkspace);
}

kvant_status kvant_cuda_check_errors(void* stream) {
  return Guard([&] { return cuda::CheckErrors(static_cast<CUstream_st*>(stream)); });
}

}  // extern "C"

}  // namespace kvant::c_api
