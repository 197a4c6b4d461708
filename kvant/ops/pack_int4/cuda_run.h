// pack_int4 and unpack_int4 on a queue (rowwise/cuda_run.h).
#ifndef KVANT_OPS_PACK_INT4_CUDA_RUN_H_
#define KVANT_OPS_PACK_INT4_CUDA_RUN_H_

#include "kvant/ops/pack_int4/cuda_plan.h"
#include "kvant/ops/pack_int4/rules.h"

namespace kvant::pack_int4 {

template <class Queue>
Status RunOn(Queue& queue, const PackInt4Args& args) {
  KVANT_RETURN_IF_ERROR(Check(args, queue.device));
  return args.codes.elements() == 0 ? Status() : RunElements(queue, args.codes, args.packed, /*packs=*/true);
}

template <class Queue>
Status RunOn(Queue& queue, const UnpackInt4Args& args) {
  KVANT_RETURN_IF_ERROR(Check(args, queue.device));
  return args.codes.elements() == 0 ? Status() : RunElements(queue, args.codes, args.packed, /*packs=*/false);
}

}  // namespace kvant::pack_int4

#endif  // KVANT_OPS_PACK_INT4_CUDA_RUN_H_
