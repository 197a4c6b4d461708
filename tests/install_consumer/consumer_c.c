/* Quantizes a 2 x 4 tensor through the C API, checks the codes, and makes one call that must fail. */
#include <kvant/c_api.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  float x[2][4] = {{0, 1, -2, 127}, {0, 3, 8, -254}};
  const int8_t expected[2][4] = {{0, 1, -2, 127}, {0, 2, 4, -127}};
  int8_t y[2][4];
  float scale[2];
  int64_t shape[2] = {2, 4};
  DLTensor xt = {x, {kDLCPU, 0}, 2, {kDLFloat, 32, 1}, shape, NULL, 0};
  DLTensor yt = {y, {kDLCPU, 0}, 2, {kDLInt, 8, 1}, shape, NULL, 0};
  DLTensor st = {scale, {kDLCPU, 0}, 1, {kDLFloat, 32, 1}, shape, NULL, 0};

  kvant_dynamic_quant_args args = KVANT_DYNAMIC_QUANT_ARGS_INIT;
  args.x = &xt;
  args.symmetric = 1;
  args.y = &yt;
  args.scale = &st;
  if (kvant_dynamic_quant(&args, NULL) != KVANT_OK) {
    fprintf(stderr, "%s\n", kvant_last_error());
    return 1;
  }
  if (memcmp(y, expected, sizeof y) != 0 || scale[0] != 1.0f || scale[1] != 2.0f) {
    fprintf(stderr, "wrong result\n");
    return 1;
  }

  args.scale = NULL;
  if (kvant_dynamic_quant(&args, NULL) == KVANT_OK || kvant_last_error()[0] == '\0') {
    fprintf(stderr, "a missing result went unnoticed\n");
    return 1;
  }
  printf("kvant %s from C: scales %g %g; then: %s\n", kvant_version(), scale[0], scale[1], kvant_last_error());
  return 0;
}
