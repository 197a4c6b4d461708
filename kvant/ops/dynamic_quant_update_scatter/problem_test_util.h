// A random call of dynamic_quant_update_scatter_, and what the operators that it fuses make of it.
#ifndef KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_PROBLEM_TEST_UTIL_H_
#define KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_PROBLEM_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "kvant/ops/dynamic_quant/dynamic_quant.h"
#include "kvant/ops/dynamic_quant_update_scatter/dynamic_quant_update_scatter.h"
#include "kvant/ops/params/params.h"
#include "kvant/ops/quantize_with_params/quantize_with_params.h"
#include "kvant/ops/row_stats/row_stats.h"
#include "kvant/ops/scatter_update/scatter_update.h"
#include "kvant/testing/scatter_problem.h"

namespace kvant::testing {

struct FusedProblem {
  ScatterProblem rows;  // self is var
  TestTensor scale, offset;
  std::optional<TestTensor> smooth;
  Format format = Format::kInt8;
  bool symmetric = false, negate = false;
  int64_t group_size = 0;

  DType table() const { return scale.dtype(); }

  CacheUpdate Cache() {
    CacheUpdate c;
    c.updates = rows.updates.view();
    c.var = rows.self.view();
    c.var_scale = scale.view();
    if (!symmetric) c.var_offset = offset.view();
    return c;
  }
  DynamicQuantUpdateScatterArgs Args() {
    DynamicQuantUpdateScatterArgs a;
    static_cast<CacheUpdate&>(a) = Cache();
    a.indices = rows.indices.view();
    if (smooth) a.smooth_scales = smooth->view();
    a.dst_type = format;
    a.symmetric = symmetric;
    a.negate_offset = negate;
    a.group_size = group_size;
    a.axis = rows.axis;
    a.index_mode = rows.mode;
    a.index_policy = rows.policy;
    return a;
  }
  std::string Describe() const {
    return rows.Describe() + " to " + std::string(Name(format)) + (symmetric ? " symmetric" : "") +
           (negate ? " negated" : "") + " group " + std::to_string(group_size) + " tables " +
           std::string(Name(table()));
  }
};

inline float AnyNumber(Rng& rng, int kind) {
  if (kind == 0 && OneIn(rng, 3)) return 0;
  if (kind == 1)
    return std::ldexp(static_cast<float>(Uniform(rng, -999, 999)), static_cast<int>(Uniform(rng, -140, 100)));
  if (kind == 2 && OneIn(rng, 40)) return std::vector<float>{NAN, INFINITY, -INFINITY, 1e-40f}[rng() % 4];
  return static_cast<float>(Uniform(rng, -1000, 1000)) * 0x1p-8f;
}

inline FusedProblem RandomFused(Rng& rng, DType table, int64_t most_last = 150) {
  FusedProblem p;
  const std::vector<DType> floats = {DType::kFloat16, DType::kBFloat16, DType::kFloat32};
  p.format = OneIn(rng, 2) ? Format::kInt8 : Format::kInt4;
  p.symmetric = OneIn(rng, 3);
  p.negate = !p.symmetric && OneIn(rng, 2);
  if (table == DType::kBFloat16 && !p.symmetric) p.format = Format::kInt4;
  const size_t rank = static_cast<size_t>(Uniform(rng, 3, 8)),
               axis = static_cast<size_t>(Uniform(rng, 1, static_cast<int64_t>(rank) - 2));
  ScatterSizes sizes;
  sizes.most_last = most_last;
  sizes.any_layout = OneIn(rng, 2);
  ScatterProblem& s = p.rows;
  s = RandomScatter(PickFrom(rng, kIndexModes), rank, axis, DType::kInt8, PickFrom(rng, floats), sizes, rng);
  Shape updates = s.updates.shape(), var = s.self.shape();
  if (p.format == Format::kInt4) {
    const DType storage = OneIn(rng, 3) ? DType::kInt32 : DType::kUInt8;
    updates.back() *= CodesPerElement(p.format, storage);
    s.self = TestTensor(storage, var, sizes.any_layout ? Layout::kPacked : Layout::kContiguous, rng);
    s.updates =
        TestTensor(s.updates.dtype(), updates, sizes.any_layout ? Layout::kStridedInput : Layout::kContiguous, rng);
  }
  const int64_t h = updates.back();
  if (OneIn(rng, 2) && h > 0) {
    std::vector<int64_t> sizes_of_groups;
    for (int64_t g = 1; g <= h; ++g) {
      if (h % g == 0 && (p.format == Format::kInt8 || g % 2 == 0)) sizes_of_groups.push_back(g);
    }
    p.group_size = PickFrom(rng, sizes_of_groups);
  }
  Shape tables(var.begin(), var.end() - 1);
  if (p.group_size != 0) tables.push_back(h / p.group_size);
  const auto layout = [&] { return sizes.any_layout && OneIn(rng, 2) ? Layout::kStrided : Layout::kContiguous; };
  p.scale = TestTensor(table, tables, layout(), rng);
  p.offset = TestTensor(table, tables, layout(), rng);
  const int kind = static_cast<int>(Uniform(rng, 0, 5));
  s.updates.ForEach([&](int64_t i, const uint8_t*) { s.updates.SetFloat(i, AnyNumber(rng, kind)); });
  s.updates.Keep();
  if (OneIn(rng, 3)) {
    p.smooth.emplace(PickFrom(rng, floats), Shape{h}, layout(), rng);
    for (int64_t i = 0; i < h; ++i) p.smooth->SetFloat(i, AnyNumber(rng, 5));
    p.smooth->Keep();
  }
  return p;
}

// K and V of nine tokens in pages, heads of 128, which one call writes to distinct places; but for the token in the
// middle, whose slot is `middle`.
struct PagedProblem {
  FusedProblem k, v;

  PagedProblem(Format format, DType x, int64_t heads, int64_t middle, Rng& rng) {
    const int64_t dim = 128;
    k.format = format;
    k.rows.mode = IndexMode::kSlot;
    k.rows.axis = 1;
    k.rows.self = TestTensor(StorageType(format), {6, 4, heads, CodeBytes(format, dim)}, rng);
    k.rows.updates = TestTensor(x, {9, heads, dim}, rng);
    k.rows.indices = TestTensor(DType::kInt64, {9}, rng);
    for (int64_t i = 0; i < 9; ++i) k.rows.indices.Set<int64_t>(i, i == 4 ? middle : (i * 5 + 3) % 24);
    k.rows.indices.Keep();
    k.scale = TestTensor(DType::kFloat32, {6, 4, heads}, rng);
    k.offset = TestTensor(DType::kFloat32, {6, 4, heads}, rng);
    v = k;
    Fill(5, &k, rng);
    Fill(1, &v, rng);
  }
  DynamicQuantUpdateScatterArgs Args() {
    DynamicQuantUpdateScatterArgs args = k.Args();
    args.second = v.Cache();
    return args;
  }

 private:
  static void Fill(int kind, FusedProblem* p, Rng& rng) {
    p->rows.updates.ForEach([&](int64_t i, const uint8_t*) { p->rows.updates.SetFloat(i, AnyNumber(rng, kind)); });
    p->rows.updates.Keep();
  }
};

// What the unfused operators put into a table that looks like `table` does now.
inline std::vector<uint8_t> Scattered(FusedProblem& p, TestTensor table, const ConstTensorView& updates) {
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
  bool operator==(const Expected&) const = default;
};

inline Expected Unfused(FusedProblem& p) {
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

inline std::string Compare(FusedProblem& p, const Expected& e) {
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

inline void Reset(FusedProblem& p) {
  p.rows.self.Reset();
  p.scale.Reset();
  p.offset.Reset();
}

// What the tables hold; they are as before then.
inline Expected Take(FusedProblem& p) {
  Expected e{p.rows.self.Bytes(), p.scale.Bytes(), p.offset.Bytes()};
  EXPECT_TRUE(p.rows.self.OnlyElementsWritten() && p.scale.OnlyElementsWritten() && p.offset.OnlyElementsWritten());
  Reset(p);
  return e;
}

}  // namespace kvant::testing

#endif  // KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_PROBLEM_TEST_UTIL_H_
