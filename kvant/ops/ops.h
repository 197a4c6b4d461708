// Every operator, one line each.
#ifndef KVANT_OPS_OPS_H_
#define KVANT_OPS_OPS_H_

#include "kvant/ops/dequant_swiglu_quant/dequant_swiglu_quant.h"
#include "kvant/ops/dequantize/dequantize.h"
#include "kvant/ops/dequantize_gather/dequantize_gather.h"
#include "kvant/ops/dynamic_quant/dynamic_quant.h"
#include "kvant/ops/dynamic_quant_update_scatter/dynamic_quant_update_scatter.h"
#include "kvant/ops/group_counts/group_counts.h"
#include "kvant/ops/pack_int4/pack_int4.h"
#include "kvant/ops/params/params.h"
#include "kvant/ops/quant_scatter/quant_scatter.h"
#include "kvant/ops/quantize/quantize.h"
#include "kvant/ops/quantize_with_params/quantize_with_params.h"
#include "kvant/ops/row_stats/row_stats.h"
#include "kvant/ops/scatter_update/scatter_update.h"

#endif  // KVANT_OPS_OPS_H_
