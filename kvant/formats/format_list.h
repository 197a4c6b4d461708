// The number formats, one line each:
//   X(enumerator, name, bits, D, torch_npu code, graph code)
// D is the largest magnitude that dynamic quantization aims for; HIFLOAT8's can be lowered by
// dst_type_max. torch_npu codes are what npu_* functions take, graph codes what the source operators' graphs take.
#ifndef KVANT_FORMATS_FORMAT_LIST_H_
#define KVANT_FORMATS_FORMAT_LIST_H_

#define KVANT_FORMAT_LIST(X)                           \
  X(kInt8, "int8", 8, 127.0f, 1, 2)                    \
  X(kInt4, "int4", 4, 7.0f, 16, 29)                    \
  X(kFloat8E4M3FN, "float8_e4m3fn", 8, 448.0f, 24, 36) \
  X(kFloat8E5M2, "float8_e5m2", 8, 57344.0f, 23, 35)   \
  X(kHiFloat8, "hifloat8", 8, 32768.0f, 290, 34)

#endif  // KVANT_FORMATS_FORMAT_LIST_H_
