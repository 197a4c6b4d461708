// A random problem of the fused operator: any caches, indices, tables and layouts.
#ifndef KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_PROBLEM_TEST_UTIL_H_
#define KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_PROBLEM_TEST_UTIL_H_

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "kvant/ops/dynamic_quant_update_scatter/dynamic_quant_update_scatter.h"
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

}  // namespace kvant::testing

#endif  // KVANT_OPS_DYNAMIC_QUANT_UPDATE_SCATTER_PROBLEM_TEST_UTIL_H_
