#include "kvant/core/row_groups.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace kvant {
namespace {

template <class T>
ConstTensorView View(const std::vector<T>& ends) {
  return {ends.data(), sizeof(T) == 4 ? DType::kInt32 : DType::kInt64, {static_cast<int64_t>(ends.size())}};
}

template <class T>
class RowGroupsOf : public ::testing::Test {};
using IndexTypes = ::testing::Types<int32_t, int64_t>;
TYPED_TEST_SUITE(RowGroupsOf, IndexTypes);

TYPED_TEST(RowGroupsOf, ReadsEndsAndFindsGroups) {
  const std::vector<TypeParam> ends = {0, 3, 3, 7, 12, 12};  // the first, third and last are empty
  const RowGroups groups(View(ends));
  ASSERT_EQ(groups.size(), 6);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(groups.end(i), ends[i]);
  const int expected[] = {1, 1, 1, 3, 3, 3, 3, 4, 4, 4, 4, 4};
  for (int row = 0; row < 12; ++row) EXPECT_EQ(groups.GroupOf(row), expected[row]) << "row " << row;
  EXPECT_EQ(groups.GroupOf(12), 6) << "no such row";
  EXPECT_TRUE(groups.Check("op", 12).ok());
}

TYPED_TEST(RowGroupsOf, FollowsStrides) {
  const std::vector<TypeParam> memory = {9, -1, 5, -1, 5, -1, 2};
  const DType dtype = View(memory).dtype();
  const RowGroups backwards(ConstTensorView(memory.data() + 6, dtype, {4}, {-2}));
  const int64_t expected[] = {2, 5, 5, 9};
  for (int i = 0; i < 4; ++i) EXPECT_EQ(backwards.end(i), expected[i]);
  EXPECT_TRUE(backwards.Check("op", 9).ok());
  EXPECT_EQ(backwards.GroupOf(5), 3);

  const RowGroups same(ConstTensorView(memory.data(), dtype, {3}, {0}));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(same.end(i), 9);
  EXPECT_TRUE(same.Check("op", 9).ok());
  EXPECT_EQ(same.GroupOf(8), 0);
}

TYPED_TEST(RowGroupsOf, FindsTheFirstEndBeyondTheRow) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<TypeParam> ends(1 + random() % 40);
    TypeParam end = 0;
    for (TypeParam& e : ends) e = end += static_cast<TypeParam>(random() % 4);
    const RowGroups groups(View(ends));
    ASSERT_TRUE(groups.Check("op", end).ok());
    for (int64_t row = 0; row < end; ++row) {
      int64_t expected = 0;
      while (ends[expected] <= row) ++expected;
      ASSERT_EQ(groups.GroupOf(row), expected);
    }
  }
}

struct BadEnds {
  std::vector<int64_t> ends;
  int64_t rows;
  const char* message;
};

TYPED_TEST(RowGroupsOf, NamesTheFirstBadPosition) {
  const BadEnds cases[] = {
      {{2, 4, 7, 5, 12},
       12,
       "dynamic_quant: group_index[3] is 5, but group_index[2] is 7: cumulative end rows cannot decrease"},
      {{-1, 12}, 12, "dynamic_quant: group_index[0] is -1, outside the 0..12 rows of x"},
      {{3, -4, 12}, 12, "dynamic_quant: group_index[1] is -4, outside the 0..12 rows of x"},
      {{3, 13, 12}, 12, "dynamic_quant: group_index[1] is 13, outside the 0..12 rows of x"},
      {{3, 2, 13},
       12,
       "dynamic_quant: group_index[1] is 2, but group_index[0] is 3: cumulative end rows cannot decrease"},
      {{3, 10}, 12, "dynamic_quant: group_index[1] is 10, the last end, but x has 12 rows"},
      {{0, 0}, 1, "dynamic_quant: group_index[1] is 0, the last end, but x has 1 row"},
      {{1}, 0, "dynamic_quant: group_index[0] is 1, outside the 0..0 rows of x"},
      {{}, 12, "dynamic_quant: group_index is empty, but x has 12 rows"},
  };
  for (const BadEnds& bad : cases) {
    const std::vector<TypeParam> ends(bad.ends.begin(), bad.ends.end());
    const Status status = RowGroups(View(ends)).Check("dynamic_quant", bad.rows);
    EXPECT_EQ(status.code(), StatusCode::kOutOfRange) << bad.message;
    EXPECT_EQ(status.message(), bad.message);
  }
}

TYPED_TEST(RowGroupsOf, NoGroupsAreFineWithoutRows) {
  EXPECT_TRUE(RowGroups(View(std::vector<TypeParam>{})).Check("op", 0).ok());
  EXPECT_TRUE(RowGroups(View(std::vector<TypeParam>{0, 0})).Check("op", 0).ok());
  const RowGroups absent{ConstTensorView()};
  EXPECT_EQ(absent.size(), 0);
  EXPECT_EQ(absent.GroupOf(0), 0);
  EXPECT_TRUE(absent.Check("op", 0).ok());
  EXPECT_EQ(absent.Check("op", 2).message(), "op: group_index is empty, but x has 2 rows");
}

TEST(RowGroups, Int64EndsAreNotCutTo32Bits) {
  const std::vector<int64_t> ends = {int64_t{1} << 32, (int64_t{1} << 32) + 5};
  const RowGroups groups(View(ends));
  EXPECT_TRUE(groups.Check("op", (int64_t{1} << 32) + 5).ok());
  EXPECT_EQ(groups.GroupOf((int64_t{1} << 32) - 1), 0);
  EXPECT_EQ(groups.GroupOf(int64_t{1} << 32), 1);
  EXPECT_EQ(groups.Check("op", 7).message(), "op: group_index[0] is 4294967296, outside the 0..7 rows of x");
}

}  // namespace
}  // namespace kvant
