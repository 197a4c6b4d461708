// A C11 program with the C API: a matrix is quantized, printed and restored, a pool of threads is given, mistakes are
// reported.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvant/c_api.h"

enum { kRows = 3, kColumns = 8 };

static int failures = 0;

static void expect(int condition, const char* what) {
  if (condition) return;
  failures++;
  fprintf(stderr, "FAILED: %s; the last error was \"%s\"\n", what, kvant_last_error());
}

// Row-major memory for what an operator wants to write.
static DLTensor allocate(kvant_tensor_spec* spec) {
  DLTensor t = {malloc((size_t)spec->bytes), {kDLCPU, 0}, spec->ndim, spec->dtype, spec->shape, NULL, 0};
  if (t.data == NULL) abort();
  return t;
}

// Asymmetric INT4 with a scale for every four elements, and back.
static void quantize_and_restore(void) {
  float values[kRows][kColumns] = {
      {0, 1, 2, 3, -4, -3, -2, -1}, {0.5f, 0.25f, 0.125f, 0, 100, 90, 80, 70}, {-1e-3f, 1e-3f, 2e-3f, 0, 5, 5, 5, 5}};
  int64_t shape[2] = {kRows, kColumns};
  DLTensor x = {values, {kDLCPU, 0}, 2, {kDLFloat, 32, 1}, shape, NULL, 0};

  kvant_dynamic_quant_args args = KVANT_DYNAMIC_QUANT_ARGS_INIT;
  args.x = &x;
  args.dst_type = KVANT_INT4;
  args.group_size = 4;
  kvant_tensor_spec y_spec, scale_spec, offset_spec;
  expect(kvant_infer_dynamic_quant(&args, &y_spec, &scale_spec, &offset_spec) == KVANT_OK, "inference");
  expect(y_spec.ndim == 2 && y_spec.shape[1] == kColumns / 2 && y_spec.bytes == kRows * kColumns / 2, "shape of y");
  expect(scale_spec.ndim == 2 && scale_spec.shape[0] == kRows && scale_spec.shape[1] == 2, "shape of scale");

  DLTensor y = allocate(&y_spec), scale = allocate(&scale_spec), offset = allocate(&offset_spec);
  args.y = &y;
  args.scale = &scale;
  args.offset = &offset;
  expect(kvant_dynamic_quant(&args, NULL) == KVANT_OK, "dynamic_quant");

  float restored[kRows][kColumns];
  DLTensor back = {restored, {kDLCPU, 0}, 2, {kDLFloat, 32, 1}, shape, NULL, 0};
  kvant_dequantize_args dequantize = KVANT_DEQUANTIZE_ARGS_INIT;
  dequantize.y = &y;
  dequantize.scale = &scale;
  dequantize.offset = &offset;
  dequantize.dst_type = KVANT_INT4;
  dequantize.group_size = 4;
  dequantize.x = &back;
  expect(kvant_dequantize(&dequantize, NULL) == KVANT_OK, "dequantize");

  int8_t codes[kRows][kColumns];
  DLTensor unpacked = {codes, {kDLCPU, 0}, 2, {kDLInt, 8, 1}, shape, NULL, 0};
  kvant_unpack_int4_args unpack = KVANT_UNPACK_INT4_ARGS_INIT;
  unpack.packed = &y;
  unpack.codes = &unpacked;
  expect(kvant_unpack_int4(&unpack, NULL) == KVANT_OK, "unpack_int4");

  const float *scales = scale.data, *offsets = offset.data;
  for (int r = 0; r < kRows; r++) {
    for (int c = 0; c < kColumns; c++) {
      const float s = scales[r * 2 + c / 4], o = offsets[r * 2 + c / 4];
      printf("%s%" PRId8, c % 4 == 0 ? "  |  " : " ", codes[r][c]);
      expect(fabsf(restored[r][c] - values[r][c]) <= s * (0.5f + 0x1p-22f * (fabsf(o) + 15)) * 1.0001f,
             "the error bound");
      expect(restored[r][c] == ((float)codes[r][c] - o) * s, "(y - offset) * scale");
    }
    printf("  |  scales %g %g, offsets %g %g\n", scales[r * 2], scales[r * 2 + 1], offsets[r * 2], offsets[r * 2 + 1]);
  }
  free(y.data);
  free(scale.data);
  free(offset.data);
}

// A pool of one's own: here the tasks run one after another, backwards.
static int tasks_run = 0;
static void run_backwards(void* pool, int tasks, void (*body)(void* arg, int task), void* arg) {
  ++*(int*)pool;
  for (int t = tasks; t-- > 0; tasks_run++) body(arg, t);
}

static void use_a_pool(void) {
  enum { kMany = 300000 };
  float *values = malloc(kMany * sizeof(float)), scale[2];
  int8_t* codes = malloc(2 * kMany);
  if (values == NULL || codes == NULL) abort();
  for (int i = 0; i < kMany; i++) values[i] = (float)(i % 255 - 127);
  int64_t shape[1] = {kMany};
  DLTensor x = {values, {kDLCPU, 0}, 1, {kDLFloat, 32, 1}, shape, NULL, 0};

  int calls = 0;
  const kvant_parallel_for pool = {4, &calls, run_backwards};
  for (int i = 0; i < 2; i++) {
    DLTensor y = {codes, {kDLCPU, 0}, 1, {kDLInt, 8, 1}, shape, NULL, (uint64_t)(i * kMany)};
    DLTensor s = {scale, {kDLCPU, 0}, 0, {kDLFloat, 32, 1}, NULL, NULL, i * sizeof(float)};
    kvant_dynamic_quant_args args = KVANT_DYNAMIC_QUANT_ARGS_INIT;
    args.x = &x;
    args.symmetric = 1;
    args.y = &y;
    args.scale = &s;
    kvant_exec exec = KVANT_EXEC_INIT;
    exec.parallel = i == 0 ? NULL : &pool;
    expect(kvant_dynamic_quant(&args, &exec) == KVANT_OK, "dynamic_quant with a pool");
  }
  expect(calls > 0 && tasks_run > calls, "the pool is used");
  expect(scale[0] == 1 && scale[1] == 1 && memcmp(codes, codes + kMany, kMany) == 0, "the pool changes no result");
  free(values);
  free(codes);
}

static void make_mistakes(void) {
  kvant_quantize_args args = KVANT_QUANTIZE_ARGS_INIT;
  expect(kvant_quantize(&args, NULL) == KVANT_INVALID_VALUE, "no x");
  expect(strcmp(kvant_last_error(), "quantize: x is missing") == 0, "the message says so");
  expect(kvant_quantize(NULL, NULL) == KVANT_INVALID_VALUE, "no arguments");
  args.struct_size = 8;
  expect(kvant_quantize(&args, NULL) == KVANT_INVALID_VALUE, "a struct without its size");
}

int main(void) {
  printf("kvant %s on %s\n", kvant_version(), kvant_active_target());
  quantize_and_restore();
  use_a_pool();
  make_mistakes();
  return failures == 0 ? 0 : 1;
}
