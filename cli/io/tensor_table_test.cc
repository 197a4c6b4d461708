#include "cli/io/tensor_table.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace kvant::cli {
namespace {

TEST(ElementType, HasEveryDtypeOfKvantInItsSize) {
  constexpr DType kDTypes[] = {
#define KVANT_ROW(id, name, bytes) DType::id,
      KVANT_DTYPE_LIST(KVANT_ROW)
#undef KVANT_ROW
  };
  for (const DType dtype : kDTypes) {
    const ElementType type = ToElementType(dtype);
    EXPECT_EQ(ToDType(type), dtype) << Name(dtype);
    EXPECT_EQ(Info(type).bits, 8 * ByteSize(dtype)) << Name(dtype);
  }
  EXPECT_EQ(ToElementType(DType::kFloat8E4M3FN), ElementType::kF8E4M3);
  EXPECT_EQ(ToDType(ElementType::kF64), std::nullopt);
}

TEST(ElementType, IsFoundByItsName) {
  for (int row = 0; row < kNumElementTypes; ++row) {
    const auto type = static_cast<ElementType>(row);
    EXPECT_EQ(ParseElementType(Name(type)), type);
  }
  EXPECT_EQ(ParseElementType("BF16"), ElementType::kBF16);
  EXPECT_EQ(ParseElementType("bf16"), std::nullopt);
  EXPECT_EQ(ParseElementType(""), std::nullopt);
}

struct Size {
  ElementType type;
  std::vector<int64_t> shape;
  int64_t bytes;
};

TEST(SetBytes, CountsWholeBytes) {
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max() / 8;
  for (const Size& size : {Size{ElementType::kF32, {}, 4},
                           {ElementType::kF32, {3, 5}, 60},
                           {ElementType::kF4, {3, 2}, 3},
                           {ElementType::kF6E3M2, {4}, 3},
                           {ElementType::kF6E3M2, {3, 0}, 0},
                           {ElementType::kU8, {kLargest}, kLargest},
                           {ElementType::kI64, std::vector<int64_t>(64, 1), 8}}) {
    TensorEntry entry{"a", size.type, size.shape};
    const Status status = SetBytes("x", &entry);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(entry.bytes, size.bytes);
  }
}

TEST(SetBytes, RefusesWhatDoesNotFit) {
  const auto error = [](ElementType type, std::vector<int64_t> shape) {
    TensorEntry entry{"a", type, std::move(shape)};
    return SetBytes("x", &entry).message();
  };
  EXPECT_EQ(error(ElementType::kU8, {2, -3}), "x: tensor 'a': shape [2, -3] has a negative dimension");
  EXPECT_EQ(error(ElementType::kU8, {0, -3}), "x: tensor 'a': shape [0, -3] has a negative dimension");
  EXPECT_EQ(error(ElementType::kU8, {int64_t{1} << 60}),
            "x: tensor 'a': shape [1152921504606846976] of U8 needs more than 9223372036854775807 bits");
  EXPECT_EQ(error(ElementType::kF6E2M3, {3}),
            "x: tensor 'a': shape [3] of F6_E2M3 needs 18 bits, which is not a whole number of bytes");
  EXPECT_EQ(error(ElementType::kU8, std::vector<int64_t>(65, 1)), "x: tensor 'a': shape has more than 64 dimensions");
}

}  // namespace
}  // namespace kvant::cli
