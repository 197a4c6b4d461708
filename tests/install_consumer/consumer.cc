// Quantizes a 2 x 4 tensor and checks the codes.
#include <kvant/kvant.h>

#include <cstdint>
#include <cstdio>

int main() {
  const float x[2][4] = {{0.0f, 1.0f, -2.0f, 127.0f}, {0.0f, 0.5f, 1.0f, -254.0f}};
  const int8_t expected[2][4] = {{0, 1, -2, 127}, {0, 0, 0, -127}};
  int8_t y[2][4] = {};
  float scale[2] = {};

  kvant::DynamicQuantArgs args;
  args.x = {x, kvant::DType::kFloat32, {2, 4}};
  args.symmetric = true;
  args.y = {y, kvant::DType::kInt8, {2, 4}};
  args.scale = {scale, kvant::DType::kFloat32, {2}};
  if (kvant::Status status = kvant::DynamicQuant(args); !status.ok()) {
    std::fprintf(stderr, "%s\n", status.message().c_str());
    return 1;
  }
  for (int r = 0; r < 2; ++r) {
    for (int c = 0; c < 4; ++c) {
      if (y[r][c] != expected[r][c]) return 1;
    }
  }
  if (scale[0] != 1.0f || scale[1] != 2.0f) return 1;
  std::printf("kvant %s from C++: scales %g %g\n", KVANT_VERSION_STRING, scale[0], scale[1]);
  return 0;
}
