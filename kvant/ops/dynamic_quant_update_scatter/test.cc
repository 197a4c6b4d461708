// The fused operator against the operators that it fuses, byte by byte.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kvant/core/scatter_prefetch.h"
#include "kvant/ops/dynamic_quant_update_scatter/problem_test_util.h"
#include "kvant/testing/each_target.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

TEST(DynamicQuantUpdateScatter, EqualsTheUnfusedOperators) {
  Rng rng(1);
  const int rounds = SlowMachine() ? 300 : 3000;
  for (int round = 0; round < rounds; ++round) {
    const std::vector<DType> tables = {DType::kFloat32, DType::kFloat32, DType::kFloat16, DType::kBFloat16};
    FusedProblem p = RandomFused(rng, PickFrom(rng, tables), OneIn(rng, 10) ? 1500 : 150);
    const Expected expected = Unfused(p);
    const int threads = static_cast<int>(Uniform(rng, 1, 4));
    ReversePool pool(threads);
    ExecOptions exec;
    exec.parallel = pool.get();
    for (const Target target : SupportedTargets()) {
      const ScopedTarget scoped(target);
      Reset(p);
      const Status status = DynamicQuantUpdateScatter(p.Args(), exec);
      ASSERT_TRUE(status.ok()) << status.message();
      ASSERT_EQ(Compare(p, expected), "") << Name(target) << ", round " << round;
    }
  }
}

TEST(DynamicQuantUpdateScatter, TwoCachesInOneCall) {
  Rng rng(2);
  for (int round = 0; round < 100; ++round) {
    FusedProblem k = RandomFused(rng, DType::kFloat32);
    FusedProblem v = k;
    v.rows.updates.ForEach([&](int64_t i, const uint8_t*) { v.rows.updates.SetFloat(i, AnyNumber(rng, 5)); });
    v.rows.updates.Keep();
    const Expected first = Unfused(k), second = Unfused(v);
    DynamicQuantUpdateScatterArgs args = k.Args();
    args.second = v.Cache();
    const Status status = DynamicQuantUpdateScatter(args);
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_EQ(Compare(k, first), "");
    ASSERT_EQ(Compare(v, second), "");
  }
}

// Many rows of few places, in batches, alone and over threads; some rows are not for the fast path.
TEST(DynamicQuantUpdateScatter, TheLastOfManyWins) {
  Rng rng(3);
  for (const int64_t h : {32, 128, 2048}) {
    for (const int threads : ThreadCounts()) {
      FusedProblem p;
      ScatterProblem& s = p.rows;
      s.mode = IndexMode::kSlot;
      s.axis = 1;
      const int64_t n = h == 2048 ? 300 : 3000;
      s.self = TestTensor(DType::kInt8, {2, 4, 1, h}, rng);
      s.updates = TestTensor(DType::kFloat16, {n, 1, h}, rng);
      s.indices = TestTensor(DType::kInt64, Shape{n}, rng);
      for (int64_t i = 0; i < n; ++i) s.SetIndex(i, Uniform(rng, 0, 6));
      s.indices.Keep();
      s.updates.ForEach([&](int64_t i, const uint8_t*) {
        s.updates.SetFloat(i, i / h % 7 == 0 ? 3.0f : AnyNumber(rng, 5));  // constant rows divide
      });
      s.updates.Keep();
      p.scale = TestTensor(DType::kFloat32, {2, 4, 1}, rng);
      p.offset = TestTensor(DType::kFloat32, {2, 4, 1}, rng);
      const Expected expected = Unfused(p);
      ThreadPool pool(threads);
      ExecOptions exec;
      exec.parallel = pool.get();
      OnEachTarget([&](Target target) {
        Reset(p);
        const Status status = DynamicQuantUpdateScatter(p.Args(), exec);
        ASSERT_TRUE(status.ok()) << status.message();
        ASSERT_EQ(Compare(p, expected), "") << Name(target) << ", " << threads << " threads";
      });
    }
  }
}

// Caches so large that memory is asked for ahead, by tasks that share updates or own places.
TEST(DynamicQuantUpdateScatter, LargeCaches) {
  Rng rng(5);
  for (const IndexMode mode : {IndexMode::kPair, IndexMode::kSlot}) {
    FusedProblem p;
    ScatterProblem& s = p.rows;
    s.mode = mode;
    s.axis = 1;
    const int64_t n = 1001;
    const Shape slots = {n, 2, 64}, pairs = {n, 3, 2, 64};
    s.self = TestTensor(DType::kInt8, {5000, 27, 2, 64}, rng);
    ASSERT_GT(s.self.elements(), kFarBytes);
    s.updates = TestTensor(DType::kFloat16, mode == IndexMode::kSlot ? slots : pairs, rng);
    s.indices = TestTensor(DType::kInt32, mode == IndexMode::kSlot ? Shape{n} : Shape{n, 2}, rng);
    testing::FillIndices(s, rng);
    s.updates.ForEach([&](int64_t i, const uint8_t*) { s.updates.SetFloat(i, AnyNumber(rng, 5)); });
    s.updates.Keep();
    p.scale = TestTensor(DType::kFloat32, {5000, 27, 2}, rng);
    p.offset = TestTensor(DType::kFloat32, {5000, 27, 2}, rng);
    const Expected expected = Unfused(p);
    for (const int threads : {1, 3}) {
      const ThreadPool pool(threads);
      Reset(p);
      const Status status = DynamicQuantUpdateScatter(p.Args(), {pool.get()});
      ASSERT_TRUE(status.ok()) << status.message();
      EXPECT_EQ(Compare(p, expected), "") << threads << " threads";
      EXPECT_EQ(pool.tasks() > 1, threads > 1);
    }
  }
}

TEST(DynamicQuantUpdateScatter, OneBadIndexWritesNothing) {
  Rng rng(4);
  FusedProblem p;
  ScatterProblem& s = p.rows;
  s.mode = IndexMode::kSlot;
  const int64_t n = SlowMachine() ? 10'000 : 1'000'000;
  s.self = TestTensor(DType::kUInt8, {n / 4, 4, 1}, rng);
  s.updates = TestTensor(DType::kFloat16, {n, 2}, rng);
  s.indices = TestTensor(DType::kInt32, Shape{n}, rng);
  for (int64_t i = 0; i < n; ++i) s.SetIndex(i, n - 1 - i);
  s.SetIndex(n - 3, n);
  p.format = Format::kInt4;
  p.scale = TestTensor(DType::kFloat32, {n / 4, 4}, rng);
  p.offset = TestTensor(DType::kFloat32, {n / 4, 4}, rng);
  const Status status = DynamicQuantUpdateScatter(p.Args());
  EXPECT_EQ(status.code(), StatusCode::kOutOfRange);
  EXPECT_NE(status.message().find("indices[" + std::to_string(n - 3) + "] is " + std::to_string(n)), std::string::npos)
      << status.message();
  EXPECT_TRUE(s.self.Untouched() && p.scale.Untouched() && p.offset.Untouched());
}

// updates [B, 1, H], var [B, S, 1, H], tables [B, S] or [B, S, 1]; symmetric scales [B, S, 1, 1].
// Symmetric scales with a 1 at the end, of the largest rank that there is.
TEST(DynamicQuantUpdateScatter, ThirtyTwoDimensions) {
  std::vector<int64_t> shape(kMaxRank, 1), scales(kMaxRank, 1);
  shape.back() = 4;
  const float x[4] = {-127, 64, 0, 1};
  int8_t codes[4] = {};
  float scale = 0;
  const int32_t index = 0;
  DynamicQuantUpdateScatterArgs args;
  args.updates = ConstTensorView(x, DType::kFloat32, std::span<const int64_t>(shape));
  args.var = TensorView(codes, DType::kInt8, std::span<const int64_t>(shape));
  args.var_scale = TensorView(&scale, DType::kFloat32, std::span<const int64_t>(scales));
  args.indices = ConstTensorView(&index, DType::kInt32, {1});
  args.symmetric = true;
  args.index_mode = IndexMode::kBatch;
  const Status status = DynamicQuantUpdateScatter(args);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(scale, 1);
  EXPECT_EQ(codes[1], 64);
}

TEST(DynamicQuantUpdateScatter, TheSourceOperatorsShapes) {
  Rng rng(5);
  constexpr int64_t kB = 3, kS = 5, kH = 32;
  for (const int form : {0, 1, 2}) {
    FusedProblem p;
    ScatterProblem& s = p.rows;
    s.mode = IndexMode::kBatch;
    s.axis = 1;
    p.format = Format::kInt4;
    p.symmetric = form == 2;
    s.self = TestTensor(DType::kUInt8, {kB, kS, 1, kH / 2}, rng);
    s.updates = TestTensor(DType::kFloat16, {kB, 1, 1, kH}, rng);
    s.indices = TestTensor(DType::kInt32, Shape{kB}, rng);
    for (int64_t i = 0; i < kB; ++i) s.SetIndex(i, (i * 2) % kS);
    s.updates.ForEach([&](int64_t i, const uint8_t*) { s.updates.SetFloat(i, AnyNumber(rng, 5)); });
    p.scale = TestTensor(DType::kFloat32, {kB, kS, 1}, rng);
    p.offset = TestTensor(DType::kFloat32, {kB, kS, 1}, rng);
    const Expected expected = Unfused(p);
    DynamicQuantUpdateScatterArgs a = p.Args();
    a.axis = -2;
    a.updates = {a.updates.data(), a.updates.dtype(), {kB, 1, kH}};
    const auto as = [](const TensorView& t, std::initializer_list<int64_t> shape) {
      return TensorView(t.data(), t.dtype(), shape);
    };
    if (form == 0) {
      a.var_scale = as(a.var_scale, {kB, kS});
      a.var_offset = as(a.var_offset, {kB, kS});
    }
    if (form == 2) a.var_scale = as(a.var_scale, {kB, kS, 1, 1});
    const Status status = DynamicQuantUpdateScatter(a);
    ASSERT_TRUE(status.ok()) << status.message();
    s.updates.Keep();
    s.indices.Keep();
    EXPECT_EQ(Compare(p, expected), "") << "form " << form;
  }
}

}  // namespace
}  // namespace kvant
