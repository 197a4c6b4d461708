#include "kvant/core/tensor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

namespace kvant {
namespace {

using Dims = std::vector<int64_t>;

Dims Copy(std::span<const int64_t> dims) { return {dims.begin(), dims.end()}; }

TEST(TensorView, RowMajorWithoutStrides) {
  float data[24];
  const TensorView t(data, DType::kFloat32, {2, 3, 4});
  EXPECT_TRUE(t.present());
  EXPECT_EQ(t.data(), data);
  EXPECT_EQ(t.dtype(), DType::kFloat32);
  EXPECT_EQ(t.device(), Device::kCpu);
  EXPECT_EQ(t.rank(), 3);
  EXPECT_EQ(Copy(t.shape()), (Dims{2, 3, 4}));
  EXPECT_EQ(Copy(t.strides()), (Dims{12, 4, 1}));
  EXPECT_EQ(t.elements(), 24);
}

TEST(TensorView, NegativeDimensionsCountFromTheEnd) {
  const ConstTensorView t(nullptr, DType::kInt8, {2, 3, 4}, {100, -10, 0});
  for (int d = 0; d < 3; ++d) {
    EXPECT_EQ(t.shape(d), 2 + d);
    EXPECT_EQ(t.shape(d - 3), t.shape(d));
    EXPECT_EQ(t.stride(d - 3), t.stride(d));
  }
  EXPECT_EQ(Copy(t.strides()), (Dims{100, -10, 0}));
}

TEST(TensorView, EmptyTensorsHaveUsableStrides) {
  const ConstTensorView t(nullptr, DType::kInt8, {3, 0, 5});
  EXPECT_EQ(t.elements(), 0);
  EXPECT_EQ(Copy(t.strides()), (Dims{5, 5, 1}));
  EXPECT_TRUE(t.present()) << "an argument that has no elements is not an absent one";
}

TEST(TensorView, RankZeroIsOneElement) {
  int8_t value = 0;
  const TensorView t(&value, DType::kInt8, Dims{}, Dims{});
  EXPECT_TRUE(t.present());
  EXPECT_EQ(t.rank(), 0);
  EXPECT_EQ(t.elements(), 1);
  EXPECT_TRUE(t.shape().empty());
  EXPECT_TRUE(t.strides().empty());
}

TEST(TensorView, AbsentByDefault) {
  TensorView absent;
  EXPECT_FALSE(absent.present());
  EXPECT_EQ(absent.rank(), -1);
  EXPECT_EQ(absent.data(), nullptr);
  EXPECT_TRUE(absent.shape().empty());
  EXPECT_TRUE(absent.strides().empty());

  int8_t value = 0;
  TensorView t(&value, DType::kInt8, {1});
  t = absent;
  EXPECT_FALSE(t.present());
  EXPECT_FALSE(ConstTensorView(absent).present());
}

TEST(TensorView, CopiesCarryEverything) {
  int64_t data[6];
  TensorView t(data, DType::kInt64, {3, 2}, {1, 3});
  t.set_device(Device::kCuda);
  const TensorView constructed(t);
  TensorView assigned;
  assigned = t;
  const ConstTensorView read_only = t;
  TensorView& self = assigned;
  assigned = self;
  const auto expect_same = [&](const auto& copy) {
    EXPECT_EQ(copy.data(), data);
    EXPECT_EQ(copy.dtype(), DType::kInt64);
    EXPECT_EQ(copy.device(), Device::kCuda);
    EXPECT_EQ(copy.rank(), 2);
    EXPECT_EQ(Copy(copy.shape()), (Dims{3, 2}));
    EXPECT_EQ(Copy(copy.strides()), (Dims{1, 3}));
  };
  expect_same(constructed);
  expect_same(assigned);
  expect_same(read_only);
  static_assert(!std::is_convertible_v<ConstTensorView, TensorView>, "a read-only view does not become writable");
}

TEST(TensorView, CopiesTouchNoMoreThanTheRank) {
  const TensorView source(nullptr, DType::kInt8, {2, 3});
  TensorView copy = source;
  auto* const bytes = reinterpret_cast<unsigned char*>(&copy);
  std::fill(bytes, bytes + sizeof(copy), 0xAB);
  copy = source;
  // Shape and strides come last; each has room for kMaxRank numbers.
  constexpr size_t kNumbers = kMaxRank * sizeof(int64_t);
  int written = 0;
  for (size_t i = 2 * sizeof(int64_t); i < kNumbers; ++i) {
    written += bytes[sizeof(copy) - 2 * kNumbers + i] != 0xAB;
    written += bytes[sizeof(copy) - kNumbers + i] != 0xAB;
  }
  EXPECT_EQ(written, 0);
  EXPECT_EQ(Copy(copy.shape()), (Dims{2, 3}));
}

TEST(TensorView, LargestRank) {
  Dims shape, strides;
  for (int d = 0; d < kMaxRank; ++d) {
    shape.push_back(d % 2 + 1);
    strides.push_back(1000 - d);
  }
  const ConstTensorView given(nullptr, DType::kFloat16, shape, strides);
  ConstTensorView t;
  t = given;
  EXPECT_EQ(t.rank(), 32);
  EXPECT_EQ(Copy(t.shape()), shape);
  EXPECT_EQ(Copy(t.strides()), strides);
  EXPECT_EQ(t.elements(), 1 << 16);
  EXPECT_EQ(t.shape(-32), 1);
  EXPECT_EQ(t.stride(-1), 969);

  const ConstTensorView dense(nullptr, DType::kFloat16, shape);
  EXPECT_EQ(dense.stride(0), 1 << 16);
  EXPECT_EQ(dense.stride(31), 1);
}

TEST(TensorView, HigherRanksAreRememberedAndCutOff) {
  const Dims shape(40, 2), strides(40, 7);
  for (const ConstTensorView& t :
       {ConstTensorView(nullptr, DType::kInt8, shape, strides), ConstTensorView(nullptr, DType::kInt8, shape)}) {
    const ConstTensorView copy = t;
    EXPECT_EQ(copy.rank(), 40);
    EXPECT_EQ(copy.shape(kMaxRank - 1), 2);
  }
}

TEST(TensorView, AsManyStridesAsExtents) {
  const ConstTensorView few(nullptr, DType::kInt8, {2, 4}, {4}), many(nullptr, DType::kInt8, {2}, {4, 1});
  for (const ConstTensorView& t : {few, many}) {
    EXPECT_TRUE(t.present());
    EXPECT_EQ(t.rank(), ConstTensorView::kMismatched);
    EXPECT_EQ(t.elements(), 0);
  }
}

TEST(TensorView, SizesAreOf64Bits) {
  const ConstTensorView t(nullptr, DType::kInt8, {int64_t{1} << 31, int64_t{1} << 31});
  EXPECT_EQ(t.elements(), int64_t{1} << 62);
  EXPECT_EQ(t.stride(0), int64_t{1} << 31);
}

TEST(TensorSpec, CountsElementsAndBytes) {
  TensorSpec spec{};
  EXPECT_EQ(spec.elements(), 1);
  EXPECT_EQ(spec.bytes(), 4);
  spec.dtype = DType::kInt64;
  spec.rank = 2;
  spec.shape[0] = 3;
  spec.shape[1] = int64_t{1} << 32;
  EXPECT_EQ(Copy(spec.dims()), (Dims{3, int64_t{1} << 32}));
  EXPECT_EQ(spec.bytes(), int64_t{3} << 35);
}

TEST(DType, SizesAndNames) {
  const std::pair<DType, std::pair<const char*, int64_t>> expected[] = {
      {DType::kFloat16, {"float16", 2}},       {DType::kBFloat16, {"bfloat16", 2}},
      {DType::kFloat32, {"float32", 4}},       {DType::kInt8, {"int8", 1}},
      {DType::kUInt8, {"uint8", 1}},           {DType::kInt32, {"int32", 4}},
      {DType::kInt64, {"int64", 8}},           {DType::kFloat8E4M3FN, {"float8_e4m3fn", 1}},
      {DType::kFloat8E5M2, {"float8_e5m2", 1}}};
  for (const auto& [dtype, row] : expected) {
    EXPECT_EQ(Name(dtype), row.first);
    EXPECT_EQ(ByteSize(dtype), row.second) << row.first;
    EXPECT_EQ(IsIndex(dtype), dtype == DType::kInt32 || dtype == DType::kInt64);
    EXPECT_EQ(IsFloat(dtype), dtype <= DType::kFloat32);
  }
}

}  // namespace
}  // namespace kvant
