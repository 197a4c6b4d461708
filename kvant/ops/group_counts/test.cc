// Cumulative end rows and row counts, one from the other.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "kvant/core/row_groups.h"
#include "kvant/ops/group_counts/group_counts.h"
#include "kvant/testing/status_codes.h"
#include "kvant/testing/tensors.h"

namespace kvant {
namespace {

using testing::Layout;
using testing::Rng;
using testing::TestTensor;
using testing::Uniform;

int64_t At(TestTensor& t, int64_t i) { return t.dtype() == DType::kInt64 ? t.Get<int64_t>(i) : t.Get<int32_t>(i); }
void Put(TestTensor& t, int64_t i, int64_t value) {
  t.dtype() == DType::kInt64 ? t.Set(i, value) : t.Set(i, static_cast<int32_t>(value));
}

TEST(GroupCounts, ThereAndBack) {
  Rng rng(1);
  for (int round = 0; round < 200; ++round) {
    const int64_t n = Uniform(rng, 0, 40);
    const auto make = [&] {
      TestTensor t(OneIn(rng, 2) ? DType::kInt64 : DType::kInt32, {n},
                   OneIn(rng, 2) ? Layout::kStrided : Layout::kContiguous, rng);
      return t;
    };
    TestTensor counts = make(), ends = make(), back = make();
    int64_t sum = 0;
    std::vector<int64_t> expected;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t count = OneIn(rng, 3) ? 0 : Uniform(rng, 0, 1000);
      Put(counts, i, count);
      expected.push_back(sum += count);
    }
    counts.Keep();
    ASSERT_TRUE(EndsFromCounts(counts.view(), ends.view()).ok());
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(At(ends, i), expected[static_cast<size_t>(i)]);
    EXPECT_TRUE(RowGroups(ends.view()).Check("test", sum).ok());
    EXPECT_TRUE(ends.OnlyElementsWritten() && counts.Untouched());
    ASSERT_TRUE(CountsFromEnds(ends.view(), back.view()).ok());
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(At(back, i), At(counts, i));
    EXPECT_TRUE(back.OnlyElementsWritten());
  }
}

class GroupCountsErrors : public ::testing::Test {
 protected:
  void Fails(Status (*function)(const ConstTensorView&, const TensorView&), StatusCode code, const std::string& text) {
    const auto before = to_;
    const Status status = function(from, to);
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(status.message(), text);
    EXPECT_EQ(to_, before);
  }
  std::vector<int64_t> from_ = {1, 2, 4}, to_ = {-7, -7, -7};
  ConstTensorView from{from_.data(), DType::kInt64, {3}};
  TensorView to{to_.data(), DType::kInt64, {3}};
};

TEST_F(GroupCountsErrors, Shapes) {
  from = {};
  Fails(CountsFromEnds, kValue, "counts_from_ends: ends is missing");
  Fails(EndsFromCounts, kValue, "ends_from_counts: counts is missing");
  from = ConstTensorView(from_.data(), DType::kInt64, {3, 1});
  Fails(CountsFromEnds, kValue, "counts_from_ends: ends has shape [3, 1], expected one dimension");
  from = ConstTensorView(from_.data(), DType::kFloat32, {3});
  Fails(CountsFromEnds, StatusCode::kInvalidType, "counts_from_ends: ends is float32, expected int32 or int64");
  from = ConstTensorView(from_.data(), DType::kInt64, {2});
  Fails(EndsFromCounts, kValue, "ends_from_counts: ends has 3 elements, expected 2 as counts has");
  from = ConstTensorView(to_.data(), DType::kInt64, {3});
  Fails(EndsFromCounts, kValue, "ends_from_counts: counts and ends share memory");
  from = ConstTensorView(from_.data(), DType::kInt64, {3});
  to = TensorView(to_.data(), DType::kInt64, {3}, {0});
  Fails(EndsFromCounts, kValue, "ends_from_counts: elements of ends share memory: shape [3], strides [0]");
}

TEST_F(GroupCountsErrors, Values) {
  const auto kRange = StatusCode::kOutOfRange;
  from_ = {1, -2, 4};
  Fails(EndsFromCounts, kRange, "ends_from_counts: counts[1] is -2, a number of rows cannot be negative");
  Fails(CountsFromEnds, kRange,
        "counts_from_ends: ends[1] is -2, but ends[0] is 1: cumulative end rows cannot decrease");
  from_ = {-1, 2, 4};
  Fails(CountsFromEnds, kRange, "counts_from_ends: ends[0] is -1, a row cannot be negative");
  from_ = {INT64_MAX, 0, 1};
  Fails(EndsFromCounts, kRange, "ends_from_counts: ends[2] would be 9223372036854775807 + 1, more than int64 can hold");
  from_ = {0, 5000000000, 5000000000};
  to = TensorView(to_.data(), DType::kInt32, {3});
  Fails(CountsFromEnds, kRange, "counts_from_ends: counts[1] would be 5000000000, more than int32 can hold");
  Fails(EndsFromCounts, kRange, "ends_from_counts: ends[1] would be 0 + 5000000000, more than int32 can hold");
}

}  // namespace
}  // namespace kvant
