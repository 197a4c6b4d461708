// kvant on CUDA devices: libkvant_cuda.
#ifndef KVANT_KVANT_CUDA_H_
#define KVANT_KVANT_CUDA_H_

#include "kvant/core/cuda_exec.h"
#include "kvant/ops/dequant_swiglu_quant/cuda.h"
#include "kvant/ops/dequantize/cuda.h"
#include "kvant/ops/dequantize_gather/cuda.h"
#include "kvant/ops/dynamic_quant/cuda.h"
#include "kvant/ops/dynamic_quant_update_scatter/cuda.h"
#include "kvant/ops/pack_int4/cuda.h"
#include "kvant/ops/params/cuda.h"
#include "kvant/ops/quant_scatter/cuda.h"
#include "kvant/ops/quantize/cuda.h"
#include "kvant/ops/quantize_with_params/cuda.h"
#include "kvant/ops/row_stats/cuda.h"
#include "kvant/ops/scatter_update/cuda.h"

#endif  // KVANT_KVANT_CUDA_H_
