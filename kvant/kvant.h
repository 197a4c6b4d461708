// kvant: fused quantization operators for LLM inference, bit-identical on every backend.
#ifndef KVANT_KVANT_H_
#define KVANT_KVANT_H_

#if __cplusplus < 202002L
#error "kvant/kvant.h needs C++20 (-std=c++20); kvant/c_api.h is for C and older C++"
#endif

#include "kvant/core/exec.h"
#include "kvant/core/status.h"
#include "kvant/core/target.h"
#include "kvant/core/tensor.h"
#include "kvant/core/version.h"
#include "kvant/formats/format.h"
#include "kvant/ops/ops.h"

#endif  // KVANT_KVANT_H_
