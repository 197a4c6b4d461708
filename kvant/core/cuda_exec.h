// How to run an operator on a CUDA device, as opposed to what to compute.
#ifndef KVANT_CORE_CUDA_EXEC_H_
#define KVANT_CORE_CUDA_EXEC_H_

#include <cstddef>
#include <cstdint>

#include "kvant/core/status.h"

struct CUstream_st;  // a cudaStream_t is a pointer to this

namespace kvant::cuda {

struct Exec {
  CUstream_st* stream = nullptr;  // null: the default stream
  // Device memory aligned to 16 bytes, as much as the operator's ...Workspace function says; null where that is 0. It
  // is the operator's until the work on the stream is done.
  void* workspace = nullptr;
  size_t workspace_bytes = 0;
  // Of two updates of one place the one with the higher position wins, as on the CPU. Otherwise distinct places are the
  // caller's promise.
  bool deterministic = false;
};

// Waits for `stream`, then tells of the first bad index or group boundary that an operator found on the current device
// since the last call, and forgets it: kOutOfRange with the operator's name, the position and the value.
Status CheckErrors(CUstream_st* stream = nullptr);

}  // namespace kvant::cuda

#endif  // KVANT_CORE_CUDA_EXEC_H_
