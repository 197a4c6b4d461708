// What a backend provides for dequantize: functions over rows of contiguous codes and contiguous results.
#ifndef KVANT_OPS_DEQUANTIZE_KERNELS_H_
#define KVANT_OPS_DEQUANTIZE_KERNELS_H_

#include <cstdint>

#include "kvant/core/dtype.h"
#include "kvant/core/target.h"
#include "kvant/formats/format.h"

namespace kvant::dequantize {

struct DecodeArgs {
  const uint8_t* codes;
  int64_t codes_stride;  // bytes from row to row
  char* x;
  int64_t x_stride;  // bytes from row to row
  int64_t rows;
  int64_t n;  // elements of a row, n >= 1; INT4: even
  // Row form: of the first row, and bytes to the next row's. Column form: [n], the same for every row.
  const char* scale;
  int64_t scale_stride;
  const char* offset;  // never null: +0 is neutral, -0 - (+0) being -0
  int64_t offset_stride;
  uint32_t offset_sign;  // row form: flips the bits of every offset; 0 or 0x80000000
  bool stream;           // a hint
  bool far;              // likewise: rows are long, follow one another, and together are larger than L2
};

using DecodeFunction = void (*)(const DecodeArgs&);

// fp16, bf16, fp32.
inline constexpr int kNumResultTypes = 3;
constexpr int ResultIndex(DType x) { return x == DType::kFloat16 ? 0 : x == DType::kBFloat16 ? 1 : 2; }

// [format][ResultIndex]. To be called in FpEnv::kDefault.
struct Kernels {
  DecodeFunction rows[kNumFormats][kNumResultTypes];
  DecodeFunction columns[kNumFormats][kNumResultTypes];
};

const Kernels& GetKernels(Target target);
// The scalar reference.
const Kernels& ReferenceKernels();

}  // namespace kvant::dequantize

#endif  // KVANT_OPS_DEQUANTIZE_KERNELS_H_
