// The fused operator against the operators that it fuses, byte by byte.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "kvant/numerics/test_util.h"
#include "kvant/ops/dynamic_quant/dynamic_quant.h"
#include "kvant/ops/dynamic_quant_update_scatter/problem_test_util.h"
#include "kvant/ops/params/params.h"
#include "kvant/ops/quantize_with_params/quantize_with_params.h"
#include "kvant/ops/row_stats/row_stats.h"
#include "kvant/ops/scatter_update/scatter_update.h"
#include "kvant/testing/each_target.h"
#include "kvant/testing/scatter_problem.h"

namespace kvant {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the whole of it is about tests

// What the unfused operators put into a table that looks like `table` does now.
std::vector<uint8_t> Scattered(FusedProblem& p, TestTensor table, const ConstTensorView& updates) {
  ScatterUpdateInPlaceArgs a;
  a.self = table.view();
  a.indices = p.rows.indices.view();
  a.updates = updates;
  a.axis = static_cast<int>(p.rows.Axis());
  a.index_mode = p.rows.mode;
  a.index_policy = p.rows.policy;
  const Status status = ScatterUpdateInPlace(a);
  EXPECT_TRUE(status.ok()) << status.message();
  return table.Bytes();
}

struct Expected {
  std::vector<uint8_t> codes, scale, offset;
};

Expected Unfused(FusedProblem& p) {
  Rng rng(1);
  Shape shape = p.rows.updates.shape(), codes = shape, params = shape;
  codes.back() /= CodesPerElement(p.format, p.rows.self.dtype());
  params.pop_back();
  if (p.group_size != 0) params.push_back(shape.back() / p.group_size);
  TestTensor y(p.rows.self.dtype(), codes, rng), scale(DType::kFloat32, params, rng),
      offset(DType::kFloat32, params, rng);
  TestTensor kept_scale(p.table(), params, rng), kept_offset(p.table(), params, rng);
  if (p.table() == DType::kFloat32) {
    DynamicQuantArgs a;
    a.x = p.rows.updates.view();
    if (p.smooth) a.smooth_scales = p.smooth->view();
    a.dst_type = p.format;
    a.symmetric = p.symmetric;
    a.group_size = p.group_size;
    a.y = y.view();
    a.scale = scale.view();
    if (!p.symmetric) a.offset = offset.view();
    const Status status = DynamicQuant(a);
    EXPECT_TRUE(status.ok()) << status.message();
  } else {
    // By its parts, with the rounding to the table in between.
    TestTensor low(DType::kFloat32, params, rng), high(DType::kFloat32, params, rng);
    RowStatsArgs m;
    m.x = p.rows.updates.view();
    if (p.smooth) m.smooth_scales = p.smooth->view();
    m.group_size = p.group_size;
    m.min = low.view();
    m.max = high.view();
    EXPECT_TRUE(RowMinMax(m).ok());
    const float d = Info(p.format).d, r = RangeFor(p.format, d);
    const float largest = p.table() == DType::kFloat16 ? 65504.0f : 0x1.FEp127f;
    const float least = p.table() == DType::kFloat16 ? 0x1p-14f : 0x1p-126f;
    const auto kept = [&](TestTensor& t, int64_t i, float v) {
      t.SetFloat(i, v);
      if (std::isinf(t.GetFloat(i))) t.SetFloat(i, std::copysign(largest, v));
      return t.GetFloat(i);
    };
    for (int64_t i = 0; i < scale.elements(); ++i) {
      float a = low.GetFloat(i), b = high.GetFloat(i);
      if (a > b) a = b = 0;
      float s = p.symmetric ? std::fmax(std::fabs(a), std::fabs(b)) / d : (b - a) / r;
      if (std::isnan(a)) s = NAN;
      if (!p.symmetric && s < 1e-12f) s = 1e-12f;
      if (s < least) s = least;
      scale.SetFloat(i, kept(kept_scale, i, s));
      const float o = d - b / scale.GetFloat(i);
      offset.SetFloat(i, kept(kept_offset, i, o));
    }
    QuantizeWithParamsArgs q;
    q.x = p.rows.updates.view();
    if (p.smooth) q.smooth_scales = p.smooth->view();
    q.dst_type = p.format;
    q.group_size = p.group_size;
    q.scale = scale.view();
    if (!p.symmetric) q.offset = offset.view();
    q.y = y.view();
    const Status status = QuantizeWithParams(q);
    EXPECT_TRUE(status.ok()) << status.message();
  }
  for (int64_t i = 0; i < scale.elements(); ++i) {
    kept_scale.SetFloat(i, scale.GetFloat(i));
    kept_offset.SetFloat(i, offset.GetFloat(i));
    if (p.negate) kept_offset.At(i)[ByteSize(p.table()) - 1] ^= 0x80;  // the sign bit, of a NaN too
  }
  Expected e{Scattered(p, p.rows.self, y.view()), Scattered(p, p.scale, kept_scale.view()), {}};
  if (!p.symmetric) e.offset = Scattered(p, p.offset, kept_offset.view());
  return e;
}

std::string Compare(FusedProblem& p, const Expected& e) {
  const auto wrong = [&](const char* what) { return p.Describe() + ": wrong " + what; };
  if (p.rows.self.Bytes() != e.codes) return wrong("codes");
  if (p.scale.Bytes() != e.scale) return wrong("scales");
  if (!p.symmetric && p.offset.Bytes() != e.offset) return wrong("offsets");
  if (!p.rows.self.OnlyElementsWritten() || !p.scale.OnlyElementsWritten() || !p.offset.OnlyElementsWritten()) {
    return wrong("bytes around a table");
  }
  if (p.symmetric && !p.offset.Untouched()) return wrong("offsets: there are none");
  if (!p.rows.updates.Untouched() || !p.rows.indices.Untouched()) return wrong("inputs");
  return "";
}

void Reset(FusedProblem& p) {
  p.rows.self.Reset();
  p.scale.Reset();
  p.offset.Reset();
}

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
    for (int threads = 1; threads <= 8; ++threads) {
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
