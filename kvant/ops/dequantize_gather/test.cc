// Against dequantize of the whole cache, and the definition of indices, byte by byte.
#include "kvant/ops/dequantize_gather/problem_test_util.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kvant/numerics/test_util.h"
#include "kvant/ops/dequantize/dequantize.h"
#include "kvant/testing/each_target.h"
#include "kvant/testing/random_problem.h"
#include "kvant/testing/scatter_problem.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

void ExpectOnThreads(GatherProblem& p, const std::vector<uint8_t>& expected, int threads) {
  ThreadPool pool(threads);
  ExecOptions exec;
  exec.parallel = pool.get();
  p.rows.updates.Reset();
  const Status status = DequantizeGather(p.Args(), exec);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(p.rows.updates.Bytes(), expected) << p.rows.Describe();
  EXPECT_TRUE(p.rows.updates.OnlyElementsWritten() && p.rows.self.Untouched());
}

TEST(DequantizeGather, EqualsDequantizeOfTheWholeCache) {
  Rng rng(1);
  const int rounds = SlowMachine() ? 200 : 2000;
  for (int round = 0; round < rounds; ++round) {
    GatherProblem p = RandomGather(rng);
    const std::vector<uint8_t> expected = p.Expected();
    ReversePool pool(static_cast<int>(Uniform(rng, 1, 4)));
    ExecOptions exec;
    exec.parallel = pool.get();
    for (const Target target : SupportedTargets()) {
      const ScopedTarget scoped(target);
      p.rows.updates.Reset();
      const Status status = DequantizeGather(p.Args(), exec);
      ASSERT_TRUE(status.ok()) << status.message();
      ASSERT_EQ(p.rows.updates.Bytes(), expected) << Name(target) << " " << p.rows.Describe() << ", round " << round;
      ASSERT_TRUE(p.rows.updates.OnlyElementsWritten() && p.rows.self.Untouched());
    }
  }
}

TEST(DequantizeGather, LongRangesOverThreads) {
  Rng rng(2);
  GatherProblem p;
  ScatterProblem& s = p.rows;
  s.mode = IndexMode::kBatch;
  s.axis = 2;
  s.self = TestTensor(DType::kInt8, {3, 2, 700, 64}, rng);
  s.updates = TestTensor(DType::kFloat16, {3, 2, 600, 64}, rng);
  s.indices = TestTensor(DType::kInt64, {3}, rng);
  s.policy = IndexPolicy::kSkip;
  for (int64_t i = 0; i < 3; ++i) s.SetIndex(i, i == 1 ? 101 : 100 - i);
  p.scale = TestTensor(DType::kFloat32, {3, 2, 700}, rng);
  for (int64_t i = 0; i < p.scale.elements(); ++i) p.scale.SetFloat(i, 0.25f);
  const std::vector<uint8_t> expected = p.Expected();
  for (const int threads : {1, 2, 5}) ExpectOnThreads(p, expected, threads);
}

// A sequence in blocks: slots that follow one another are read as one, unless codes follow and tables do not.
TEST(DequantizeGather, SlotsThatFollowOneAnother) {
  Rng rng(3);
  for (const bool padded_tables : {false, true}) {
    for (const Format format : {Format::kInt8, Format::kInt4}) {
      for (const bool heads_first : {false, true}) {
        GatherProblem p;
        p.format = format;
        p.has_offset = true;
        ScatterProblem& s = p.rows;
        s.mode = IndexMode::kSlot;
        s.axis = heads_first ? 2 : 1;
        const int64_t blocks = 20, n = blocks * 16 - 9, bytes = format == Format::kInt4 ? 20 : 40;
        const Shape positions = heads_first ? Shape{blocks, 3, 16} : Shape{blocks, 16, 3};
        Shape codes = positions;
        codes.push_back(bytes);
        s.self = TestTensor(StorageType(format), codes, rng);
        s.updates = TestTensor(DType::kFloat16, {n, 3, 40}, rng);
        s.indices = TestTensor(DType::kInt64, {n}, rng);
        for (int64_t i = 0; i < n; ++i) {
          const int64_t run = i / 48 * 48, to = run < blocks * 16 - 48 ? blocks * 16 - 48 - run : run;
          s.SetIndex(i, OneIn(rng, 40) ? -1 : OneIn(rng, 40) ? Uniform(rng, 0, n) : to + i % 48);
        }
        const Shape strides = {48 + (padded_tables ? 5 : 0), positions[2], 1};
        p.scale = TestTensor(DType::kFloat32, positions, strides, rng);
        p.offset = TestTensor(DType::kFloat32, positions, strides, rng);
        p.scale.ForEach([&](int64_t i, const uint8_t*) { p.scale.SetFloat(i, static_cast<float>(i + 1) * 0x1p-9f); });
        p.offset.ForEach([&](int64_t i, const uint8_t*) { p.offset.SetFloat(i, static_cast<float>(i % 90) * 0.25f); });
        const std::vector<uint8_t> expected = p.Expected();
        for (const int threads : {1, 3}) ExpectOnThreads(p, expected, threads);
      }
    }
  }
}

// Padding is all that can be read from a cache without places, which may have no memory.
TEST(DequantizeGather, CachesWithoutPlaces) {
  const int64_t padding[] = {-1, -1};
  for (const Shape& var : {Shape{0, 6, 8}, Shape{3, 0, 8}}) {
    std::vector<float> x(16, 1.0f);
    DequantizeGatherArgs args;
    args.var = ConstTensorView(nullptr, DType::kInt8, var);
    args.var_scale = ConstTensorView(nullptr, DType::kFloat32, {var[0], var[1]});
    args.indices = ConstTensorView(padding, DType::kInt64, {2});
    args.index_mode = IndexMode::kSlot;
    args.axis = 1;
    args.x = TensorView(x.data(), DType::kFloat32, {2, 8});
    const Status status = DequantizeGather(args);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(x, std::vector<float>(16, 0.0f));
  }
}

// Every shape of a table that dynamic_quant_update_scatter_ takes can be read.
TEST(DequantizeGather, TablesAsTheWriterTakesThem) {
  Rng rng(4);
  TestTensor var(DType::kInt8, {2, 3, 1, 4}, rng), expected(DType::kFloat32, {2, 1, 1, 4}, rng);
  const int32_t positions[] = {2, 0};
  std::vector<float> scale = {1, 2, 3, 4, 5, 6}, offset = {1, 0, 2, 0, 3, 0};
  for (const bool with_offset : {false, true}) {
    const auto read = [&](const Shape& table, const TensorView& x) {
      DequantizeGatherArgs args;
      args.var = var.view();
      args.var_scale = ConstTensorView(scale.data(), DType::kFloat32, table);
      if (with_offset) args.var_offset = ConstTensorView(offset.data(), DType::kFloat32, table);
      args.indices = ConstTensorView(positions, DType::kInt32, {2});
      args.index_mode = IndexMode::kBatch;
      args.axis = 1;
      args.x = x;
      return DequantizeGather(args);
    };
    ASSERT_TRUE(read({2, 3, 1}, expected.view()).ok());
    for (const Shape& table : {Shape{2, 3}, Shape{2, 3, 1, 1}}) {
      TestTensor x(DType::kFloat32, {2, 1, 1, 4}, rng);
      const Status status = read(table, x.view());
      if (with_offset && table.size() == 4) {
        EXPECT_EQ(status.message(), "dequantize_gather: var_scale has shape [2, 3, 1, 1], expected [2, 3, 1]");
      } else {
        ASSERT_TRUE(status.ok()) << status.message();
        EXPECT_EQ(x.Bytes(), expected.Bytes());
      }
    }
  }
}

// What dequantize and quantize do with 16-bit parameters is what they do with the same numbers in fp32.
TEST(DequantizeTables, SixteenBitsAreTheirNumbers) {
  Rng rng(3);
  for (const DType table : {DType::kFloat16, DType::kBFloat16}) {
    for (const QuantMode mode : {QuantMode::kPerToken, QuantMode::kPerTensor, QuantMode::kPerChannel}) {
      const Shape shape = mode == QuantMode::kPerToken    ? Shape{300}
                          : mode == QuantMode::kPerTensor ? Shape{1}
                                                          : Shape{70};
      TestTensor y(DType::kInt8, {300, 70}, rng), narrow(table, shape, rng), wide(DType::kFloat32, shape, rng);
      TestTensor narrow_offset(table, shape, rng), wide_offset(DType::kFloat32, shape, rng);
      for (int64_t i = 0; i < narrow.elements(); ++i) {
        narrow.SetFloat(i, static_cast<float>(Uniform(rng, 1, 999)) * 0x1p-11f);
        wide.SetFloat(i, narrow.GetFloat(i));
        narrow_offset.SetFloat(i, static_cast<float>(Uniform(rng, -999, 999)) * 0.1f);
        wide_offset.SetFloat(i, narrow_offset.GetFloat(i));
      }
      TestTensor a(DType::kFloat32, {300, 70}, rng), b(DType::kFloat32, {300, 70}, rng);
      DequantizeArgs d;
      d.y = y.view();
      d.quant_mode = mode;
      d.negate_offset = OneIn(rng, 2);
      d.scale = narrow.view();
      d.offset = narrow_offset.view();
      d.x = a.view();
      ASSERT_TRUE(Dequantize(d).ok());
      d.scale = wide.view();
      d.offset = wide_offset.view();
      d.x = b.view();
      ASSERT_TRUE(Dequantize(d).ok());
      EXPECT_EQ(a.Bytes(), b.Bytes()) << Name(table);
    }
  }
}

}  // namespace
}  // namespace kvant
