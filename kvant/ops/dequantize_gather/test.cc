// Against dequantize of the whole cache, and the definition of indices, byte by byte.
#include "kvant/ops/dequantize_gather/dequantize_gather.h"

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

struct GatherProblem {
  ScatterProblem rows;  // self is var, updates is x
  TestTensor scale, offset;
  Format format = Format::kInt8;
  bool has_offset = false, negate = false;
  int64_t group_size = 0;

  DequantizeGatherArgs Args() {
    DequantizeGatherArgs a;
    a.var = rows.self.view();
    a.var_scale = scale.view();
    if (has_offset) a.var_offset = offset.view();
    a.indices = rows.indices.view();
    a.dst_type = format;
    a.length = rows.length();
    a.group_size = group_size;
    a.negate_offset = negate;
    a.axis = rows.axis;
    a.index_mode = rows.mode;
    a.index_policy = rows.policy;
    a.x = rows.updates.view();
    return a;
  }

  // Every element of x by its coordinates in the dequantized cache.
  std::vector<uint8_t> Expected() {
    Rng rng(1);
    Shape logical = rows.self.shape();
    logical.back() *= CodesPerElement(format, rows.self.dtype());
    TestTensor all(rows.updates.dtype(), logical, rng);
    DequantizeArgs d;
    d.y = rows.self.view();
    d.scale = scale.view();
    if (has_offset) d.offset = offset.view();
    d.dst_type = format;
    d.group_size = group_size;
    d.negate_offset = negate;
    d.x = all.view();
    const Status status = Dequantize(d);
    EXPECT_TRUE(status.ok()) << status.message();
    const std::vector<uint8_t> values = all.Bytes();
    const auto bytes = static_cast<size_t>(ByteSize(rows.updates.dtype()));
    const Shape& shape = rows.updates.shape();
    std::vector<uint8_t> x(static_cast<size_t>(rows.updates.elements()) * bytes, 0);
    for (int64_t e = 0; e < rows.updates.elements(); ++e) {
      Shape at(shape.size());
      int64_t rest = e, first, start, from = 0;
      for (size_t k = shape.size(); k-- > 0; rest /= shape[k]) at[k] = rest % shape[k];
      if (!rows.Place(at[0], &first, &start)) continue;
      if (rows.mode == IndexMode::kSlot) at.insert(at.begin() + static_cast<int64_t>(rows.Axis()), 0);
      at[0] = first;
      at[rows.Axis()] += start;
      for (size_t k = 0; k < logical.size(); ++k) from = from * logical[k] + at[k];
      std::copy_n(values.begin() + from * static_cast<int64_t>(bytes), bytes,
                  x.begin() + e * static_cast<int64_t>(bytes));
    }
    return x;
  }
};

GatherProblem RandomProblem(Rng& rng) {
  GatherProblem p;
  p.format = PickFrom(rng, std::vector<Format>(std::begin(kFormats), std::end(kFormats)));
  p.has_offset = OneIn(rng, 2);
  p.negate = p.has_offset && OneIn(rng, 2);
  const bool packed = p.format == Format::kInt4;
  const DType storage = packed && OneIn(rng, 2) ? DType::kInt32 : StorageType(p.format);
  const std::vector<DType> floats = {DType::kFloat16, DType::kBFloat16, DType::kFloat32};
  const auto rank = static_cast<size_t>(Uniform(rng, 3, 8));
  const auto axis = static_cast<size_t>(Uniform(rng, 1, static_cast<int64_t>(rank) - 2));
  ScatterSizes sizes;
  sizes.any_layout = OneIn(rng, 2);
  ScatterProblem& s = p.rows;
  do {
    s = RandomScatter(PickFrom(rng, kIndexModes), rank, axis, storage, PickFrom(rng, floats), sizes, rng);
  } while (s.length() == 0);
  Shape x = s.updates.shape(), tables(s.self.shape().begin(), s.self.shape().end() - 1);
  x.back() *= CodesPerElement(p.format, storage);
  const bool odd = sizes.any_layout;
  if (packed) s.self = TestTensor(storage, s.self.shape(), odd ? Layout::kPacked : Layout::kContiguous, rng);
  s.updates = TestTensor(s.updates.dtype(), x, odd ? Layout::kStrided : Layout::kContiguous, rng);
  if (IsInteger(p.format) && OneIn(rng, 2) && x.back() % 2 == 0 && x.back() > 0) {
    p.group_size = x.back() % 4 == 0 && OneIn(rng, 2) ? x.back() / 2 : x.back();
    tables.push_back(x.back() / p.group_size);
  }
  const DType table = PickFrom(rng, floats);
  p.scale = TestTensor(table, tables, odd ? Layout::kStridedInput : Layout::kContiguous, rng);
  p.offset = TestTensor(table, tables, odd ? Layout::kStridedInput : Layout::kContiguous, rng);
  p.scale.ForEach(
      [&](int64_t i, const uint8_t*) { p.scale.SetFloat(i, static_cast<float>(Uniform(rng, 1, 500)) * 0x1p-9f); });
  p.offset.ForEach(
      [&](int64_t i, const uint8_t*) { p.offset.SetFloat(i, static_cast<float>(Uniform(rng, -500, 500)) * 0.25f); });
  p.scale.Keep();
  p.offset.Keep();
  return p;
}

TEST(DequantizeGather, EqualsDequantizeOfTheWholeCache) {
  Rng rng(1);
  const int rounds = SlowMachine() ? 200 : 2000;
  for (int round = 0; round < rounds; ++round) {
    GatherProblem p = RandomProblem(rng);
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
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    ExecOptions exec;
    exec.parallel = pool.get();
    s.updates.Reset();
    const Status status = DequantizeGather(p.Args(), exec);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(s.updates.Bytes(), expected);
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
