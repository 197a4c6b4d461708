#include <gtest/gtest.h>

#include "kvant/ops/pack_int4/pack_int4.h"
#include "kvant/testing/each_target.h"
#include "kvant/testing/random_problem.h"

namespace kvant {
namespace {

using testing::Layout;
using testing::OnEachTarget;
using testing::OneIn;
using testing::Rng;
using testing::Shape;
using testing::TestTensor;
using testing::ThreadPool;
using testing::Uniform;

using Bytes = std::vector<uint8_t>;

Bytes Packed(const Bytes& codes) {
  Bytes packed;
  for (size_t i = 0; i < codes.size(); i += 2)
    packed.push_back(static_cast<uint8_t>(codes[i] % 16 + codes[i + 1] % 16 * 16));
  return packed;
}

Bytes Unpacked(const Bytes& packed) {
  Bytes codes;
  for (const uint8_t byte : packed) {
    for (const int nibble : {byte % 16, byte / 16})
      codes.push_back(static_cast<uint8_t>(nibble < 8 ? nibble : nibble - 16));
  }
  return codes;
}

// Packs and unpacks on every target, with what is written compared byte by byte.
void Check(TestTensor& codes, TestTensor& packed, TestTensor& back, const ExecOptions& exec = {}) {
  const Bytes expected = Packed(codes.Bytes()), expected_back = Unpacked(expected);
  OnEachTarget([&](Target target) {
    packed.Reset();
    const Status status = PackInt4({codes.view(), packed.view()}, exec);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(packed.Bytes(), expected) << Name(target);
    EXPECT_TRUE(packed.OnlyElementsWritten()) << Name(target);
    back.Reset();
    const Status unpacked = UnpackInt4({packed.view(), back.view()}, exec);
    EXPECT_TRUE(unpacked.ok()) << unpacked.message();
    EXPECT_EQ(back.Bytes(), expected_back) << Name(target);
    EXPECT_TRUE(back.OnlyElementsWritten()) << Name(target);
  });
}

TEST(PackInt4, LowNibbleFirst) {
  Rng rng(1);
  OnEachTarget([&](Target target) {
    int8_t codes[8] = {0, 1, -1, -8, 7, 2, -2, 3}, back[8] = {};
    uint8_t bytes[4] = {};
    int32_t word = 0;
    ASSERT_TRUE(PackInt4({{codes, DType::kInt8, {8}}, {bytes, DType::kUInt8, {4}}}).ok());
    EXPECT_EQ(Bytes(bytes, bytes + 4), (Bytes{0x10, 0x8F, 0x27, 0x3E})) << Name(target);
    ASSERT_TRUE(PackInt4({{codes, DType::kInt8, {8}}, {&word, DType::kInt32, {1}}}).ok());
    EXPECT_EQ(word, 0x3E278F10) << Name(target);
    ASSERT_TRUE(UnpackInt4({{&word, DType::kInt32, {1}}, {back, DType::kInt8, {8}}}).ok());
    EXPECT_TRUE(std::equal(codes, codes + 8, back)) << Name(target);
  });
}

// All pairs of bytes: codes outside -8..7 keep their low four bits.
TEST(PackInt4, EveryPair) {
  Rng rng(2);
  TestTensor codes(DType::kInt8, {2 * 0x10000}, rng), packed(DType::kUInt8, {0x10000}, rng), back = codes;
  for (int i = 0; i < 0x10000; ++i) {
    *codes.At(2 * i) = static_cast<uint8_t>(i);
    *codes.At(2 * i + 1) = static_cast<uint8_t>(i >> 8);
  }
  Check(codes, packed, back);
}

TEST(PackInt4, EveryLength) {
  Rng rng(3);
  for (int64_t n = 2; n <= 400; n += 2) {
    TestTensor codes(DType::kInt8, {3, n}, rng), packed(DType::kUInt8, {3, n / 2}, Layout::kPacked, rng), back = codes;
    Check(codes, packed, back);
  }
}

TEST(PackInt4, AnyShapeAndLayout) {
  Rng rng(4);
  const ThreadPool two(2), seven(7);
  const std::vector<const ParallelFor*> pools = {&SerialFor(), two.get(), seven.get()};
  for (int round = 0; round < 1500; ++round) {
    const DType storage = OneIn(rng, 2) ? DType::kInt32 : DType::kUInt8;
    const int64_t per_element = storage == DType::kInt32 ? 8 : 2;
    Shape shape = testing::RandomShape(rng, Uniform(rng, 1, 8), 2000), packed_shape = shape;
    packed_shape.back() = (shape.back() + per_element - 1) / per_element;
    shape.back() = packed_shape.back() * per_element;
    const auto layout = [&](Layout odd) { return OneIn(rng, 3) ? Layout::kContiguous : odd; };
    TestTensor codes(DType::kInt8, shape, layout(Layout::kStridedInput), rng);
    TestTensor packed(storage, packed_shape, layout(Layout::kPacked), rng);
    TestTensor back(DType::kInt8, shape, layout(Layout::kStrided), rng);
    Check(codes, packed, back, {testing::PickFrom(rng, pools)});
    if (HasFailure()) return;
  }
}

// The packed tensor as an input may repeat rows.
TEST(PackInt4, UnpacksRepeatedRows) {
  Rng rng(5);
  TestTensor packed(DType::kUInt8, {4, 35}, Shape{0, 1}, rng), codes(DType::kInt8, {4, 70}, rng);
  ASSERT_TRUE(UnpackInt4({packed.view(), codes.view()}).ok());
  EXPECT_EQ(codes.Bytes(), Unpacked(packed.Bytes()));
}

// Large enough to be cut, by rows and within rows.
TEST(PackInt4, ThreadsDoNotMatter) {
  Rng rng(6);
  const ThreadPool two(2), seven(7);
  const std::vector<Shape> shapes = {{1, 400002}, {3, 100000}, {3000, 130}};
  for (const Shape& shape : shapes) {
    TestTensor codes(DType::kInt8, shape, rng), back = codes;
    TestTensor packed(DType::kUInt8, {shape[0], shape[1] / 2}, Shape{shape[1] / 2 + 3, 1}, rng);
    for (const ParallelFor* parallel : {&SerialFor(), two.get(), seven.get()}) Check(codes, packed, back, {parallel});
  }
  EXPECT_GT(two.tasks(), 0);
  EXPECT_GT(seven.tasks(), 0);
}

}  // namespace
}  // namespace kvant
