// What the C API has beside the operators on numbers: defaults, INT4 packing, targets, want of memory.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <set>
#include <string>
#include <vector>

#include "kvant/c_api.h"
#include "kvant/kvant.h"
#include "kvant/testing/dl_tensor.h"

namespace {

std::atomic<bool> out_of_memory{false};

}  // namespace

// The allocations of this program and of the library, so that they can be made to fail.
[[gnu::noinline]] void* operator new(size_t bytes) {
  void* p = out_of_memory ? nullptr : std::malloc(bytes != 0 ? bytes : 1);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace kvant {
namespace {

TEST(CApiLibrary, WantOfMemoryIsAnError) {
  const kvant_dynamic_quant_args args = KVANT_DYNAMIC_QUANT_ARGS_INIT;
  out_of_memory = true;  // and a message has to be made
  const kvant_status status = kvant_dynamic_quant(&args, nullptr);
  out_of_memory = false;
  EXPECT_EQ(status, KVANT_OUT_OF_MEMORY);
  EXPECT_STREQ(kvant_last_error(), "kvant: out of memory");
  EXPECT_EQ(kvant_dynamic_quant(&args, nullptr), KVANT_INVALID_VALUE);
  EXPECT_STREQ(kvant_last_error(), "dynamic_quant: x is missing");
}

TEST(CApiLibrary, DefaultsOfTheStructsAreThoseOfCpp) {
  const kvant_quantize_args quantize = KVANT_QUANTIZE_ARGS_INIT;
  const QuantizeArgs cpp;
  EXPECT_EQ(quantize.axis, cpp.axis);
  EXPECT_EQ(quantize.dst_type, static_cast<int>(cpp.dst_type));
  const kvant_exec exec = KVANT_EXEC_INIT;
  EXPECT_EQ(exec.struct_size, sizeof(exec));
  EXPECT_EQ(exec.stores, static_cast<int>(ExecOptions().stores));
}

TEST(CApiLibrary, Int4) {
  std::vector<int8_t> codes = {1, -1, -8, 7, 0, 2, 3, -4}, back(8);
  std::vector<uint8_t> packed(4);
  int32_t word = 0;
  DlTensor codes_t(codes.data(), kDlInt8, {8}), packed_t(packed.data(), kDlUInt8, {4}),
      back_t(back.data(), kDlInt8, {8});
  DlTensor word_t(&word, {kDLInt, 32, 1}, {1});
  kvant_pack_int4_args pack = KVANT_PACK_INT4_ARGS_INIT;
  pack.codes = &codes_t;
  pack.packed = &packed_t;
  ASSERT_EQ(kvant_pack_int4(&pack, nullptr), KVANT_OK) << kvant_last_error();
  EXPECT_EQ(packed, (std::vector<uint8_t>{0xF1, 0x78, 0x20, 0xC3}));
  pack.packed = &word_t;
  ASSERT_EQ(kvant_pack_int4(&pack, nullptr), KVANT_OK) << kvant_last_error();
  EXPECT_EQ(static_cast<uint32_t>(word), 0xC32078F1u);
  kvant_unpack_int4_args unpack = KVANT_UNPACK_INT4_ARGS_INIT;
  unpack.packed = &word_t;
  unpack.codes = &back_t;
  ASSERT_EQ(kvant_unpack_int4(&unpack, nullptr), KVANT_OK) << kvant_last_error();
  EXPECT_EQ(back, codes);

  kvant_tensor_spec spec;
  ASSERT_EQ(kvant_infer_pack_int4(&pack, {kDLInt, 32, 1}, &spec), KVANT_OK);
  EXPECT_EQ(spec.bytes, 4);
  EXPECT_EQ(spec.shape[0], 1);
  ASSERT_EQ(kvant_infer_unpack_int4(&unpack, &spec), KVANT_OK);
  EXPECT_EQ(spec.bytes, 8);
  EXPECT_EQ(kvant_infer_pack_int4(&pack, kDlInt8, &spec), KVANT_INVALID_TYPE);
}

TEST(CApiLibrary, VersionAndTargets) {
  EXPECT_STREQ(kvant_version(), KVANT_VERSION_STRING);
  std::vector<std::string> names;
  for (const char* const* name = kvant_supported_targets(); *name != nullptr; ++name) names.emplace_back(*name);
  ASSERT_EQ(names.size(), SupportedTargets().size());
  EXPECT_EQ(names.back(), "scalar");
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(names[i], Name(SupportedTargets()[i]));
    ASSERT_EQ(kvant_set_target(names[i].c_str()), KVANT_OK);
    EXPECT_EQ(kvant_active_target(), names[i]);
  }
  EXPECT_EQ(kvant_set_target("no_such_target"), KVANT_UNAVAILABLE);
  EXPECT_NE(std::string(kvant_last_error()).find("no_such_target"), std::string::npos);
  EXPECT_EQ(kvant_set_target(nullptr), KVANT_INVALID_VALUE);
  EXPECT_STREQ(kvant_last_error(), "set_target: name is NULL");
  EXPECT_STREQ(kvant_active_target(), "scalar");
  EXPECT_EQ(kvant_set_target("auto"), KVANT_OK);
}

}  // namespace
}  // namespace kvant
