#include "kvant/c_api.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "kvant/core/version.h"
#include "kvant/testing/dl_tensor.h"

namespace kvant {
namespace {

// dynamic_quant of two rows of four, symmetric; the fields are there to be spoiled.
class CApi : public testing::Test {
 protected:
  CApi() {
    args.x = &x;
    args.symmetric = 1;
    args.y = &y;
    args.scale = &scale;
  }

  kvant_status Run(const kvant_exec* exec = nullptr) { return kvant_dynamic_quant(&args, exec); }

  void ExpectRight() {
    ASSERT_EQ(Run(), KVANT_OK) << kvant_last_error();
    const int8_t expected[8] = {0, 1, -2, 127, 0, 2, 4, -127};
    EXPECT_EQ(std::memcmp(codes, expected, sizeof(codes)), 0);
    EXPECT_EQ(scales[0], 1);
    EXPECT_EQ(scales[1], 2);
  }

  void ExpectError(kvant_status status, const std::string& message) {
    std::memset(codes, 0x55, sizeof(codes));
    EXPECT_EQ(Run(), status);
    EXPECT_STREQ(kvant_last_error(), ("dynamic_quant: " + message).c_str());
    for (const int8_t code : codes) EXPECT_EQ(code, 0x55) << "written in spite of the error";
  }

  float values[8] = {0, 1, -2, 127, 0, 3, 8, -254};
  int8_t codes[8] = {};
  float scales[2] = {};
  DlTensor x{values, kDlFloat32, {2, 4}}, y{codes, kDlInt8, {2, 4}}, scale{scales, kDlFloat32, {2}};
  kvant_dynamic_quant_args args = KVANT_DYNAMIC_QUANT_ARGS_INIT;
};

TEST_F(CApi, NullStridesAreRowMajor) {
  ExpectRight();
  DlTensor with_strides(values, kDlFloat32, {2, 4}, {4, 1});
  args.x = &with_strides;
  ExpectRight();
}

TEST_F(CApi, StridesCountElementsAndMayBeNegative) {
  // Row 0 at the end, its elements backwards and three apart.
  float far[40] = {};
  for (int r = 0; r < 2; ++r) {
    for (int c = 0; c < 4; ++c) far[36 - 20 * r - 3 * c] = values[4 * r + c];
  }
  DlTensor strided(far + 36, kDlFloat32, {2, 4}, {-20, -3});
  args.x = &strided;
  ExpectRight();
}

TEST_F(CApi, ByteOffsetCounts) {
  x.data = reinterpret_cast<char*>(values) - 64;
  x.byte_offset = 64;
  y.data = codes - 3;
  y.byte_offset = 3;
  ExpectRight();
}

TEST_F(CApi, StridesOfExtentOneMeanNothing) {
  DlTensor one(values, kDlFloat32, {1, 2, 4, 1}, {INT64_MAX, 4, 1, INT64_MIN});
  DlTensor one_code(codes, kDlInt8, {1, 2, 4, 1}, {INT64_MIN, 4, 1, INT64_MAX});
  float eight[8];
  DlTensor each(eight, kDlFloat32, {1, 2, 4}, {INT64_MAX, 4, 1});
  args.x = &one;
  args.y = &one_code;
  args.scale = &each;
  ASSERT_EQ(Run(), KVANT_OK) << kvant_last_error();
  EXPECT_EQ(eight[3], 1);
  EXPECT_EQ(codes[3], 127);
}

TEST_F(CApi, EmptyTensorsNeedNoMemory) {
  DlTensor nothing(nullptr, kDlFloat32, {2, 0}, {INT64_MAX, INT64_MAX}), no_codes(nullptr, kDlInt8, {2, 0});
  nothing.byte_offset = 3;
  args.x = &nothing;
  args.y = &no_codes;
  ASSERT_EQ(Run(), KVANT_OK) << kvant_last_error();
  EXPECT_EQ(scales[0], 0);
}

TEST_F(CApi, MemoryOfTheHost) {
  for (const DLDeviceType device : {kDLCUDAHost, kDLROCMHost, kDLCPU}) {
    x.device = {device, 1};
    ExpectRight();
  }
  for (const auto& [device, text] : {std::pair{kDLCUDA, "2"}, {kDLCUDAManaged, "13"}, {kDLExtDev, "12"}}) {
    x.device = {device, 0};
    ExpectError(KVANT_INVALID_VALUE, "x is on a device of DLPack type " + std::string(text) +
                                         ", expected memory of the host: 1, or pinned 3 and 11");
  }
}

TEST_F(CApi, TypesThatAreNotSupported) {
  const struct {
    DLDataType type;
    const char* text;
    bool int4 = false;
  } cases[] = {
      {{kDLInt, 4, 1}, "int4 (DLPack code 0, bits 4, lanes 1)", true},
      {{kDLUInt, 4, 2}, "uint4x2 (DLPack code 1, bits 4, lanes 2)", true},
      {{kDLInt, 8, 2}, "int8x2 (DLPack code 0, bits 8, lanes 2)"},
      {{kDLInt, 16, 1}, "int16 (DLPack code 0, bits 16, lanes 1)"},
      {{kDLFloat, 64, 1}, "float64 (DLPack code 2, bits 64, lanes 1)"},
      {{kDLFloat, 32, 0}, "float32x0 (DLPack code 2, bits 32, lanes 0)"},
      {{kDLBfloat, 32, 1}, "bfloat32 (DLPack code 4, bits 32, lanes 1)"},
      {{kDLBool, 8, 1}, "bool (DLPack code 6, bits 8, lanes 1)"},
      {{kDLFloat8_e4m3fnuz, 8, 1}, "float8_e4m3fnuz (DLPack code 11, bits 8, lanes 1)"},
      {{kDLFloat8_e5m2, 16, 1}, "float8_e5m2 (DLPack code 12, bits 16, lanes 1)"},
      {{kDLFloat4_e2m1fn, 4, 2}, "float4_e2m1fnx2 (DLPack code 17, bits 4, lanes 2)"},
      {{200, 8, 1}, "unknown (DLPack code 200, bits 8, lanes 1)"},
  };
  const std::string expected =
      ", expected one of float16, bfloat16, float32, int8, uint8, int32, int64, float8_e4m3fn, float8_e5m2";
  for (const auto& c : cases) {
    y.dtype = c.type;
    ExpectError(KVANT_INVALID_TYPE,
                std::string("y is ") + c.text + expected + (c.int4 ? "; INT4 is packed into uint8 or int32" : ""));
  }
}

TEST_F(CApi, ShapesThatAreNotSupported) {
  x.ndim = 33;
  ExpectError(KVANT_INVALID_VALUE, "x has 33 dimensions, expected 0 to 32");
  x.ndim = -1;
  ExpectError(KVANT_INVALID_VALUE, "x has -1 dimensions, expected 0 to 32");
  x.ndim = 2;
  x.shape = nullptr;
  ExpectError(KVANT_INVALID_VALUE, "x has 2 dimensions but no shape");

  const std::string too_large = ": counts and distances of elements above 2^56 bytes are not supported";
  const int64_t half = int64_t{1} << 32;
  DlTensor elements(values, kDlFloat32, {half, half}, {0, 0}), none(values, kDlFloat32, {half, half, 0});
  DlTensor distance(values, kDlFloat32, {2, 4}, {INT64_MIN, 1}),
      sum(values, kDlFloat32, {2, 2}, {half << 20, -(half << 22)});
  for (const auto& [tensor, shape] : {std::pair<DlTensor*, const char*>{&elements, "[4294967296, 4294967296]"},
                                      {&distance, "[2, 4]"},
                                      {&sum, "[2, 2]"}}) {
    args.x = tensor;
    ExpectError(KVANT_INVALID_VALUE, std::string("x has shape ") + shape + too_large);
  }
  args.x = &none;
  ExpectError(KVANT_INVALID_VALUE, "y has shape [2, 4], expected [4294967296, 4294967296, 0]");
}

TEST_F(CApi, MemoryThatIsNotThereOrNotAligned) {
  x.byte_offset = 2;
  ExpectError(KVANT_INVALID_VALUE,
              fmt::format("x is not aligned: its address is {}, expected a multiple of 4, the size of "
                          "float32",
                          static_cast<void*>(reinterpret_cast<char*>(values) + 2)));
  x.data = nullptr;
  ExpectError(KVANT_INVALID_VALUE, "x has shape [2, 4] but no memory");
  args.x = nullptr;
  ExpectError(KVANT_INVALID_VALUE, "x is missing");
}

TEST_F(CApi, EnumeratorsAreChecked) {
  args.dst_type = 5;
  ExpectError(KVANT_INVALID_VALUE, "dst_type is 5, expected 0 to 4");
  args.dst_type = KVANT_INT8;
  args.quant_mode = -1;
  ExpectError(KVANT_INVALID_VALUE, "quant_mode is -1, expected 0 to 2");
  args.quant_mode = KVANT_PER_TOKEN;
  args.symmetric = 2;
  ExpectError(KVANT_INVALID_VALUE, "symmetric is 2, expected 0 to 1");

  kvant_quantize_args quantize = KVANT_QUANTIZE_ARGS_INIT;
  quantize.round_mode = 3;
  EXPECT_EQ(kvant_quantize(&quantize, nullptr), KVANT_INVALID_VALUE);
  EXPECT_STREQ(kvant_last_error(), "quantize: round_mode is 3, expected 0 to 2");
}

TEST_F(CApi, ErrorsOfTheOperatorComeThrough) {
  DlTensor short_scale(scales, kDlFloat32, {1});
  args.scale = &short_scale;
  ExpectError(KVANT_INVALID_VALUE, "scale has shape [1], expected [2]");
  args.scale = &scale;
  args.offset = &scale;
  ExpectError(KVANT_INVALID_VALUE, "offset was given, but symmetric quantization has none");
  args.offset = nullptr;

  float smooth[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  int64_t ends[2] = {3, 2};
  DlTensor experts(smooth, kDlFloat32, {2, 4}), groups(ends, {kDLInt, 64, 1}, {2});
  args.smooth_scales = &experts;
  args.group_index = &groups;
  ExpectError(KVANT_OUT_OF_RANGE, "group_index[0] is 3, outside the 0..2 rows of x");
}

TEST_F(CApi, StructsGrowAtTheEnd) {
  struct Newer {
    kvant_dynamic_quant_args known;
    int64_t later[2];
  } newer = {args, {0, 0}};
  const auto* as_known = reinterpret_cast<const kvant_dynamic_quant_args*>(&newer);
  newer.known.struct_size = sizeof(newer);
  EXPECT_EQ(kvant_dynamic_quant(as_known, nullptr), KVANT_OK) << kvant_last_error();
  newer.later[1] = int64_t{1} << 56;
  EXPECT_EQ(kvant_dynamic_quant(as_known, nullptr), KVANT_INVALID_VALUE);
  EXPECT_EQ(kvant_last_error(), "dynamic_quant: struct_size is " + std::to_string(sizeof(newer)) +
                                    ", and a field beyond the " + std::to_string(sizeof(args)) +
                                    " bytes that version " KVANT_VERSION_STRING " knows is set");

  args.struct_size -= 1;
  ExpectError(KVANT_INVALID_VALUE, "struct_size is " + std::to_string(sizeof(args) - 1) + ", expected " +
                                       std::to_string(sizeof(args)) + ": initialize the struct with its _INIT macro");
  EXPECT_EQ(kvant_dynamic_quant(nullptr, nullptr), KVANT_INVALID_VALUE);
  EXPECT_STREQ(kvant_last_error(), "dynamic_quant: the argument struct is NULL");
}

TEST_F(CApi, ExecIsChecked) {
  const auto expect_error = [&](const kvant_exec& exec, const std::string& message) {
    EXPECT_EQ(Run(&exec), KVANT_INVALID_VALUE);
    EXPECT_EQ(kvant_last_error(), "dynamic_quant: exec." + message);
  };
  kvant_exec exec = KVANT_EXEC_INIT;
  EXPECT_EQ(Run(&exec), KVANT_OK);
  exec.struct_size = 0;
  expect_error(exec, "struct_size is 0, expected " + std::to_string(sizeof(exec)) +
                         ": initialize the struct with its _INIT macro");
  exec = KVANT_EXEC_INIT;
  exec.stores = 3;
  expect_error(exec, "stores is 3, expected 0 to 2");
  exec = KVANT_EXEC_INIT;
  alignas(16) char workspace[64];
  exec.workspace = workspace + 8;
  exec.workspace_bytes = 56;
  expect_error(exec, "workspace is not aligned to 16 bytes");
  exec.workspace = workspace;
  EXPECT_EQ(Run(&exec), KVANT_OK);
  kvant_parallel_for pool = {1, nullptr, nullptr};
  exec.parallel = &pool;
  EXPECT_EQ(Run(&exec), KVANT_OK);
  pool.num_threads = 2;
  expect_error(exec, "parallel.num_threads is 2, but exec.parallel.run is NULL");
  pool.num_threads = 0;
  expect_error(exec, "parallel.num_threads is 0, expected at least 1");
}

TEST_F(CApi, ErrorsBelongToTheirThread) {
  args.scale = nullptr;
  ExpectError(KVANT_INVALID_VALUE, "scale is missing");
  std::thread([] { EXPECT_STREQ(kvant_last_error(), ""); }).join();
  args.scale = &scale;
  ExpectRight();
  EXPECT_STREQ(kvant_last_error(), "dynamic_quant: scale is missing");
}

}  // namespace
}  // namespace kvant
