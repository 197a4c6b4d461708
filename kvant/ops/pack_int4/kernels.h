// What a backend provides for pack_int4 and unpack_int4: functions over contiguous codes, an even number n of them.
#ifndef KVANT_OPS_PACK_INT4_KERNELS_H_
#define KVANT_OPS_PACK_INT4_KERNELS_H_

#include <cstdint>

#include "kvant/core/target.h"

namespace kvant::pack_int4 {

struct Kernels {
  void (*pack)(const int8_t* codes, int64_t n, uint8_t* packed);
  void (*unpack)(const uint8_t* packed, int64_t n, int8_t* codes);
};

const Kernels& GetKernels(Target target);
// The scalar reference.
const Kernels& ReferenceKernels();

}  // namespace kvant::pack_int4

#endif  // KVANT_OPS_PACK_INT4_KERNELS_H_
