#include "kvant/core/overlap.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <ostream>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace kvant {
namespace {

using Dims = std::vector<int64_t>;

// Views of memory that is never touched: only addresses matter.
constexpr uint64_t kBase = 1 << 20;

const void* Address(uint64_t address) {
  return reinterpret_cast<const void*>(static_cast<uintptr_t>(address));  // NOLINT(performance-no-int-to-ptr)
}

ConstTensorView At(int64_t byte, DType dtype, const Dims& shape, const Dims& strides) {
  return {Address(kBase + static_cast<uint64_t>(byte)), dtype, shape, strides};
}

ConstTensorView Bytes(int64_t byte, const Dims& shape, const Dims& strides) {
  return At(byte, DType::kInt8, shape, strides);
}

bool Both(const ConstTensorView& a, const ConstTensorView& b) {
  const bool result = Overlaps(a, b);
  EXPECT_EQ(Overlaps(b, a), result) << "not symmetric";
  return result;
}

TEST(OverlapsItself, DenseAndPaddedTensorsDoNot) {
  EXPECT_FALSE(OverlapsItself(Bytes(0, {}, {})));
  EXPECT_FALSE(OverlapsItself(Bytes(0, {7}, {1})));
  EXPECT_FALSE(OverlapsItself(Bytes(0, {4, 5, 6}, {30, 6, 1})));
  EXPECT_FALSE(OverlapsItself(Bytes(0, {4, 5, 6}, {-50, -7, -1})));
  EXPECT_FALSE(OverlapsItself(Bytes(0, {6, 4, 5}, {1, 30, 6})));
  EXPECT_FALSE(OverlapsItself(At(0, DType::kInt64, {3, 3}, {3, 1})));
}

TEST(OverlapsItself, StridesThatAreTooSmall) {
  EXPECT_TRUE(OverlapsItself(Bytes(0, {4, 5}, {4, 1})));  // rows of five, four apart
  EXPECT_TRUE(OverlapsItself(Bytes(0, {2, 2}, {1, 1})));
  EXPECT_TRUE(OverlapsItself(Bytes(0, {2, 2}, {1, -1})));
  EXPECT_TRUE(OverlapsItself(Bytes(0, {3, 4}, {6, 4})));   // 12 = 2 * 6 = 3 * 4
  EXPECT_FALSE(OverlapsItself(Bytes(0, {2, 4}, {6, 4})));  // 0 4 8 12, 6 10 14 18
  EXPECT_FALSE(OverlapsItself(Bytes(0, {4, 3}, {3, 4})));  // 12 = 4 * 3 is out of reach
  EXPECT_TRUE(OverlapsItself(Bytes(0, {5, 4}, {3, 4})));
  EXPECT_FALSE(OverlapsItself(Bytes(0, {2, 2, 2}, {2, 3, 4})));
  EXPECT_TRUE(OverlapsItself(Bytes(0, {2, 2, 2}, {2, 3, 5})));
}

TEST(OverlapsItself, StrideZero) {
  EXPECT_TRUE(OverlapsItself(Bytes(0, {2, 5}, {0, 1})));
  EXPECT_FALSE(OverlapsItself(Bytes(0, {1, 5}, {0, 1})));
  EXPECT_FALSE(OverlapsItself(Bytes(0, {5, 1, 1}, {1, 1, -1})));
  EXPECT_FALSE(OverlapsItself(Bytes(0, {2, 0}, {0, 1})));
}

TEST(Overlaps, DenseTensors) {
  EXPECT_TRUE(Both(Bytes(0, {8}, {1}), Bytes(7, {8}, {1})));
  EXPECT_FALSE(Both(Bytes(0, {8}, {1}), Bytes(8, {8}, {1})));
  EXPECT_TRUE(Both(Bytes(0, {8}, {1}), Bytes(3, {}, {})));
  EXPECT_FALSE(Both(Bytes(0, {8}, {-1}), Bytes(1, {8}, {1})));
  EXPECT_TRUE(Both(Bytes(0, {8}, {-1}), Bytes(0, {8}, {1})));
  EXPECT_TRUE(Both(Bytes(0, {8}, {0}), Bytes(0, {3}, {1})));
}

TEST(Overlaps, ElementsOfDifferentSizes) {
  EXPECT_TRUE(Both(At(0, DType::kInt64, {}, {}), Bytes(7, {4}, {1})));
  EXPECT_FALSE(Both(At(0, DType::kInt64, {}, {}), Bytes(8, {4}, {1})));
  // Scales in the padding behind rows of codes: 12 bytes and a float, 16 apart.
  EXPECT_FALSE(Both(Bytes(0, {100, 12}, {16, 1}), At(12, DType::kFloat32, {100}, {4})));
  EXPECT_TRUE(Both(Bytes(0, {100, 13}, {16, 1}), At(12, DType::kFloat32, {100}, {4})));
  EXPECT_TRUE(Both(Bytes(0, {100, 12}, {16, 1}), At(11, DType::kFloat32, {100}, {4})));
  // Odd bytes against the two-byte elements around them.
  EXPECT_FALSE(Both(At(1, DType::kFloat16, {10}, {2}), Bytes(3, {9}, {4})));
  EXPECT_TRUE(Both(At(2, DType::kFloat16, {10}, {2}), Bytes(3, {9}, {4})));
}

TEST(Overlaps, HalvesOfOneTensor) {
  for (const DType dtype : {DType::kInt8, DType::kFloat16, DType::kFloat32, DType::kInt64}) {
    const int64_t e = ByteSize(dtype);
    // buf[:, :h] and buf[:, h:], then one column more.
    EXPECT_FALSE(Both(At(0, dtype, {50, 64}, {128, 1}), At(64 * e, dtype, {50, 64}, {128, 1})));
    EXPECT_TRUE(Both(At(0, dtype, {50, 65}, {128, 1}), At(64 * e, dtype, {50, 64}, {128, 1})));
    // buf[..., 0::2] and buf[..., 1::2].
    EXPECT_FALSE(Both(At(0, dtype, {5, 10, 32}, {640, 64, 2}), At(e, dtype, {5, 10, 32}, {640, 64, 2})));
    EXPECT_TRUE(Both(At(0, dtype, {5, 10, 32}, {640, 64, 2}), At(2 * e, dtype, {5, 10, 32}, {640, 64, 2})));
    // The second one reversed.
    EXPECT_FALSE(Both(At(0, dtype, {10, 32}, {64, 2}), At(639 * e, dtype, {10, 32}, {-64, -2})));
    EXPECT_TRUE(Both(At(0, dtype, {10, 32}, {64, 2}), At(638 * e, dtype, {10, 32}, {-64, -2})));
    // The left half's even columns, its odd ones, and the right half.
    const ConstTensorView even = At(0, dtype, {50, 32}, {128, 2}), odd = At(e, dtype, {50, 32}, {128, 2});
    const ConstTensorView right = At(64 * e, dtype, {50, 64}, {128, 1});
    EXPECT_FALSE(Both(even, odd));
    EXPECT_FALSE(Both(even, right));
    EXPECT_FALSE(Both(odd, right));
    EXPECT_TRUE(Both(odd, At(63 * e, dtype, {50, 64}, {128, 1})));
    // A cache [blocks, kv, heads, dim]: K and V, and one head of K against another.
    EXPECT_FALSE(Both(At(0, dtype, {100, 8, 64}, {1024, 64, 1}), At(512 * e, dtype, {100, 8, 64}, {1024, 64, 1})));
    EXPECT_FALSE(Both(At(0, dtype, {100, 64}, {1024, 1}), At(64 * e, dtype, {100, 64}, {1024, 1})));
  }
}

TEST(Overlaps, RowsOfDifferentLength) {
  // Every seventh byte against every fifth: 7 x = 5 y + 1 first at 21.
  EXPECT_FALSE(Both(Bytes(0, {3}, {7}), Bytes(1, {5}, {5})));
  EXPECT_TRUE(Both(Bytes(0, {4}, {7}), Bytes(1, {5}, {5})));
  // Steps of 6 and 9 never meet when they start 2 apart, always when 3 apart.
  EXPECT_FALSE(Both(Bytes(0, {1000000}, {6}), Bytes(2, {1000000}, {9})));
  EXPECT_TRUE(Both(Bytes(0, {1000000}, {6}), Bytes(3, {1000000}, {9})));
  // A matrix and its transpose.
  EXPECT_TRUE(Both(Bytes(0, {30, 40}, {40, 1}), Bytes(0, {40, 30}, {1, 40})));
}

TEST(Overlaps, EmptyAndAbsentTensorsOverlapNothing) {
  const ConstTensorView full = Bytes(0, {8}, {1});
  for (const ConstTensorView& none : {Bytes(0, {0}, {1}), Bytes(0, {8, 0}, {0, 1}), ConstTensorView()}) {
    EXPECT_FALSE(OverlapsItself(none));
    EXPECT_FALSE(Both(full, none));
    EXPECT_FALSE(Both(none, none));
  }
}

TEST(Overlaps, HugeShapes) {
  constexpr int64_t k40 = int64_t{1} << 40;
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max(), kMin = std::numeric_limits<int64_t>::min();
  EXPECT_FALSE(OverlapsItself(Bytes(0, {k40, 1 << 18}, {1 << 18, 1})));
  EXPECT_FALSE(Both(Bytes(0, {k40, 8}, {16, 1}), Bytes(8, {k40, 8}, {16, 1})));
  EXPECT_TRUE(Both(Bytes(0, {k40, 8}, {16, 1}), Bytes(7, {k40, 8}, {16, 1})));
  EXPECT_FALSE(Both(Bytes(0, {0, kMax}, {kMax, kMax}), Bytes(0, {8}, {1})));
  EXPECT_FALSE(OverlapsItself(Bytes(0, {1, 3}, {kMin, 1})));
  // Not in any memory.
  EXPECT_TRUE(OverlapsItself(Bytes(0, {kMax, kMax}, {kMax, 1})));
  EXPECT_TRUE(OverlapsItself(Bytes(0, {2}, {kMin})));
  EXPECT_TRUE(OverlapsItself(At(0, DType::kInt64, {2}, {kMax})));
  EXPECT_TRUE(OverlapsItself(Bytes(0, {2}, {-static_cast<int64_t>(kBase) - 1})));
  const void* const last = Address(std::numeric_limits<uintptr_t>::max() - 1);
  EXPECT_FALSE(OverlapsItself(ConstTensorView(last, DType::kInt8, {1})));
  EXPECT_TRUE(OverlapsItself(ConstTensorView(last, DType::kInt8, {2})));
  EXPECT_TRUE(Both(Bytes(0, {kMax}, {kMax}), Bytes(kMax / 2, {1}, {1})));
  const Dims ones(40, 1);
  EXPECT_TRUE(OverlapsItself(Bytes(0, ones, ones))) << "rank above kMaxRank";
  EXPECT_TRUE(Both(Bytes(0, ones, ones), Bytes(1 << 10, {1}, {1})));
}

TEST(Overlaps, CallsAHardLayoutOverlappingInBoundedTime) {
  // Sums of subsets of 32 random numbers, 44 bits each: no short way to tell which numbers are among them.
  std::mt19937_64 random(5);
  Dims strides;
  for (int d = 0; d < 32; ++d) strides.push_back(static_cast<int64_t>(random() >> 20));
  const ConstTensorView hard = Bytes(0, Dims(32, 2), strides);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(OverlapsItself(hard));
  EXPECT_TRUE(Both(hard, Bytes(int64_t{1} << 47, {16, 16}, {12345, 99})));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

// All bytes of all elements, and whether one is named twice.
std::pair<std::set<uintptr_t>, bool> Enumerate(const ConstTensorView& t) {
  std::set<uintptr_t> bytes;
  bool twice = false;
  Dims index(static_cast<size_t>(t.rank()), 0);
  for (int64_t i = 0; i < t.elements(); ++i) {
    int64_t rest = i, offset = 0;
    for (int d = t.rank() - 1; d >= 0; --d) {
      offset += rest % t.shape(d) * t.stride(d);
      rest /= t.shape(d);
    }
    for (int64_t b = 0; b < ByteSize(t.dtype()); ++b) {
      twice |= !bytes.insert(reinterpret_cast<uintptr_t>(t.data()) + offset * ByteSize(t.dtype()) + b).second;
    }
  }
  return {bytes, twice};
}

struct Printed {
  const ConstTensorView& t;
};
std::ostream& operator<<(std::ostream& out, const Printed& p) {
  out << Name(p.t.dtype()) << " at " << reinterpret_cast<uintptr_t>(p.t.data()) - kBase << " shape";
  for (const int64_t n : p.t.shape()) out << ' ' << n;
  out << " strides";
  for (const int64_t s : p.t.strides()) out << ' ' << s;
  return out;
}

class RandomViews {
 public:
  explicit RandomViews(int max_rank, int max_extent, int max_stride)
      : max_rank_(max_rank), max_extent_(max_extent), max_stride_(max_stride) {}

  ConstTensorView Next() {
    constexpr DType kTypes[] = {DType::kInt8, DType::kInt8, DType::kFloat16, DType::kFloat32, DType::kInt64};
    Dims shape, strides;
    for (int d = Below(max_rank_ + 1); d > 0; --d) {
      shape.push_back(Below(20) == 0 ? 0 : 1 + Below(max_extent_));
      strides.push_back(Below(2 * max_stride_ + 1) - max_stride_);
    }
    return At(Below(4 * max_stride_), kTypes[Below(5)], shape, strides);
  }

 private:
  int Below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

  std::mt19937 random_{3};
  int max_rank_, max_extent_, max_stride_;
};

void CompareWithEnumeration(RandomViews views, int rounds) {
  int overlapping = 0, repeating = 0;
  for (int round = 0; round < rounds; ++round) {
    const ConstTensorView a = views.Next(), b = views.Next();
    const auto [bytes_a, twice_a] = Enumerate(a);
    const auto [bytes_b, twice_b] = Enumerate(b);
    bool shared = false;
    for (const uintptr_t byte : bytes_a) shared |= bytes_b.count(byte) != 0;
    ASSERT_EQ(OverlapsItself(a), twice_a) << Printed{a};
    ASSERT_EQ(Both(a, b), shared) << Printed{a} << "; " << Printed{b};
    overlapping += shared;
    repeating += twice_a;
  }
  // Neither answer is rare, or this would test little.
  EXPECT_GT(overlapping, rounds / 20);
  EXPECT_LT(overlapping, rounds * 19 / 20);
  EXPECT_GT(repeating, rounds / 50);
}

TEST(Overlaps, EqualsEnumerationOfSmallViews) {
  CompareWithEnumeration(RandomViews(2, 4, 9), 20000);
  CompareWithEnumeration(RandomViews(2, 5, 40), 20000);
  CompareWithEnumeration(RandomViews(3, 4, 30), 20000);
  CompareWithEnumeration(RandomViews(5, 3, 100), 10000);
}

}  // namespace
}  // namespace kvant
