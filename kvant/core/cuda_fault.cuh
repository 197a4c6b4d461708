// Where CUDA threads leave what they found wrong with indices and groups: one record per device, which keeps the first.
#ifndef KVANT_CORE_CUDA_FAULT_CUH_
#define KVANT_CORE_CUDA_FAULT_CUH_

#include "kvant/core/index_fault.h"
#include "kvant/core/macros.h"

namespace kvant {

struct CudaFaultRecord {
  unsigned taken = 0;
  unsigned ready = 0;        // what follows has been written
  const char* op = nullptr;  // text of the library, for the host
  IndexFault fault;
};

KVANT_INLINE void RecordFault(CudaFaultRecord* record, const char* op, const IndexFault& fault) {
  if (record == nullptr || fault.kind == FaultKind::kNone) return;
#if defined(__CUDA_ARCH__)
  if (*reinterpret_cast<volatile unsigned*>(&record->taken) != 0 || atomicExch(&record->taken, 1u) != 0) return;
#else
  if (record->taken != 0) return;
  record->taken = 1;
#endif
  record->op = op;
  record->fault = fault;
#if defined(__CUDA_ARCH__)
  __threadfence();
#endif
  record->ready = 1;
}

}  // namespace kvant

#endif  // KVANT_CORE_CUDA_FAULT_CUH_
