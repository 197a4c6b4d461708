#include "kvant/ops/pack_int4/cuda.h"

#include "kvant/ops/pack_int4/cuda_launch.h"
#include "kvant/ops/pack_int4/cuda_run.h"

namespace kvant::cuda {

Status PackInt4(const PackInt4Args& args, const Exec& exec) {
  Queue queue;
  KVANT_RETURN_IF_ERROR(OpenQueue(exec, &queue));
  return pack_int4::RunOn(queue, args);
}

Status UnpackInt4(const UnpackInt4Args& args, const Exec& exec) {
  Queue queue;
  KVANT_RETURN_IF_ERROR(OpenQueue(exec, &queue));
  return pack_int4::RunOn(queue, args);
}

}  // namespace kvant::cuda
