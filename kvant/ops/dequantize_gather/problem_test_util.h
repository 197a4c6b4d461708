// A random problem of dequantize_gather: any cache, indices, tables and layouts.
#ifndef KVANT_OPS_DEQUANTIZE_GATHER_PROBLEM_TEST_UTIL_H_
#define KVANT_OPS_DEQUANTIZE_GATHER_PROBLEM_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "kvant/ops/dequantize/dequantize.h"
#include "kvant/ops/dequantize_gather/dequantize_gather.h"
#include "kvant/testing/random_problem.h"
#include "kvant/testing/scatter_problem.h"

namespace kvant::testing {

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

inline GatherProblem RandomGather(Rng& rng) {
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

}  // namespace kvant::testing

#endif  // KVANT_OPS_DEQUANTIZE_GATHER_PROBLEM_TEST_UTIL_H_
