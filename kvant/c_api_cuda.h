// The C API of libkvant_cuda: the operators of c_api.h on tensors of the current CUDA device (DLPack type kDLCUDA).
#ifndef KVANT_C_API_CUDA_H_
#define KVANT_C_API_CUDA_H_

#include "kvant/c_api.h"

#ifdef __cplusplus
extern "C" {
#endif

// Where an operator runs. A NULL kvant_cuda_exec is all defaults.
typedef struct kvant_cuda_exec {
  size_t struct_size;
  void* stream;     // a cudaStream_t; NULL: the default stream
  void* workspace;  // device memory aligned to 16, as much as the ..._workspace function says; the call's until its
                    // work is done
  size_t workspace_bytes;
  int64_t deterministic;  // 1: of two updates of one place the later one wins; 0: places are distinct
} kvant_cuda_exec;
#define KVANT_CUDA_EXEC_INIT \
  { sizeof(kvant_cuda_exec), NULL, NULL, 0, 0 }

// As the functions without "cuda": arguments are checked by the same rules, then the work is put on the stream. Nothing
// is allocated and nothing waited for. Indices and groups are read by the device: what is bad is skipped, and told by
// kvant_cuda_check_errors.
KVANT_API kvant_status kvant_cuda_dynamic_quant(const kvant_dynamic_quant_args* args, const kvant_cuda_exec* exec);
KVANT_API kvant_status kvant_cuda_row_minmax(const kvant_row_stats_args* args, const kvant_cuda_exec* exec);
KVANT_API kvant_status kvant_cuda_row_amax(const kvant_row_stats_args* args, const kvant_cuda_exec* exec);
KVANT_API kvant_status kvant_cuda_params_from_amax(const kvant_params_from_amax_args* args,
                                                   const kvant_cuda_exec* exec);
KVANT_API kvant_status kvant_cuda_params_from_minmax(const kvant_params_from_minmax_args* args,
                                                     const kvant_cuda_exec* exec);
KVANT_API kvant_status kvant_cuda_quantize_with_params(const kvant_quantize_with_params_args* args,
                                                       const kvant_cuda_exec* exec);
KVANT_API kvant_status kvant_cuda_quantize(const kvant_quantize_args* args, const kvant_cuda_exec* exec);
KVANT_API kvant_status kvant_cuda_pack_int4(const kvant_pack_int4_args* args, const kvant_cuda_exec* exec);
KVANT_API kvant_status kvant_cuda_unpack_int4(const kvant_unpack_int4_args* args, const kvant_cuda_exec* exec);
KVANT_API kvant_status kvant_cuda_dequantize(const kvant_dequantize_args* args, const kvant_cuda_exec* exec);
KVANT_API kvant_status kvant_cuda_scatter_update(const kvant_scatter_update_args* args, const kvant_cuda_exec* exec);
KVANT_API kvant_status kvant_cuda_quant_scatter(const kvant_quant_scatter_args* args, const kvant_cuda_exec* exec);
KVANT_API kvant_status kvant_cuda_dynamic_quant_update_scatter(const kvant_dynamic_quant_update_scatter_args* args,
                                                               const kvant_cuda_exec* exec);
KVANT_API kvant_status kvant_cuda_dequantize_gather(const kvant_dequantize_gather_args* args,
                                                    const kvant_cuda_exec* exec);
KVANT_API kvant_status kvant_cuda_dequant_swiglu_quant(const kvant_dequant_swiglu_quant_args* args,
                                                       const kvant_cuda_exec* exec);
KVANT_API kvant_status kvant_cuda_scatter_update_in_place(const kvant_scatter_update_args* args,
                                                          const kvant_cuda_exec* exec);
KVANT_API kvant_status kvant_cuda_quant_scatter_in_place(const kvant_quant_scatter_args* args,
                                                         const kvant_cuda_exec* exec);

// Bytes of workspace: needed for KVANT_PER_TENSOR and KVANT_PER_CHANNEL, else only faster for a few long rows. Results
// may be NULL. 0 for arguments that are not legal.
KVANT_API int64_t kvant_cuda_dynamic_quant_workspace(const kvant_dynamic_quant_args* args);
KVANT_API int64_t kvant_cuda_row_stats_workspace(const kvant_row_stats_args* args);

// Waits for the stream; KVANT_OUT_OF_RANGE for the first bad index or group boundary that was found on the current
// device since the last call, which kvant_last_error then names.
KVANT_API kvant_status kvant_cuda_check_errors(void* stream);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // KVANT_C_API_CUDA_H_
