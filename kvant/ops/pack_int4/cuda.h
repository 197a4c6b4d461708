// pack_int4 and unpack_int4 on the current CUDA device.
#ifndef KVANT_OPS_PACK_INT4_CUDA_H_
#define KVANT_OPS_PACK_INT4_CUDA_H_

#include "kvant/core/cuda_exec.h"
#include "kvant/ops/pack_int4/pack_int4.h"

namespace kvant::cuda {

// As in kvant, of tensors in device memory, as work on exec.stream: nothing is allocated and nothing waited for. Take
// no workspace.
Status PackInt4(const PackInt4Args& args, const Exec& exec = {});
Status UnpackInt4(const UnpackInt4Args& args, const Exec& exec = {});

}  // namespace kvant::cuda

#endif  // KVANT_OPS_PACK_INT4_CUDA_H_
