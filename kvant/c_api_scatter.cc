#include "kvant/c_api_scatter.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "kvant/c_api_args.h"
#include "kvant/c_api_call.h"
#include "kvant/kvant.h"

namespace kvant::c_api {
namespace {

// An index_mode of 0 is none.
template <class Enum>
constexpr bool IsAfter(Enum cpp, int c) {
  return c == static_cast<int>(cpp) + 1;
}
static_assert(KVANT_INDEX_NOT_GIVEN == 0 && IsAfter(IndexMode::kBatch, KVANT_INDEX_BATCH) &&
              IsAfter(IndexMode::kPair, KVANT_INDEX_PAIR) && IsAfter(IndexMode::kSlot, KVANT_INDEX_SLOT));
static_assert(static_cast<int>(IndexPolicy::kError) == KVANT_INDEX_ERROR &&
              static_cast<int>(IndexPolicy::kSkip) == KVANT_INDEX_SKIP);

// No padding at the end, as in c_api.cc.
static_assert(sizeof(kvant_cache_update) == 4 * sizeof(void*));
static_assert(sizeof(kvant_scatter_update_args) == offsetof(kvant_scatter_update_args, out) + sizeof(void*));
static_assert(sizeof(kvant_quant_scatter_args) == offsetof(kvant_quant_scatter_args, out) + sizeof(void*));
static_assert(sizeof(kvant_dynamic_quant_update_scatter_args) ==
              offsetof(kvant_dynamic_quant_update_scatter_args, group_size) + sizeof(int64_t));
static_assert(sizeof(kvant_dequantize_gather_args) == offsetof(kvant_dequantize_gather_args, x) + sizeof(void*));

std::optional<IndexMode> ReadIndexMode(ArgReader& read, kvant_index_mode mode) {
  if (mode == KVANT_INDEX_NOT_GIVEN) return std::nullopt;
  const auto value =
      read.Choice("index_mode", mode, kvant_index_mode{KVANT_INDEX_SLOT}, kvant_index_mode{KVANT_INDEX_BATCH});
  return static_cast<IndexMode>(value - 1);
}

IndexPolicy ReadPolicy(ArgReader& read, kvant_index_policy policy) {
  return read.Choice<IndexPolicy>("index_policy", policy);
}

// What a scatter in place and one into a copy read alike.
template <class Args>
Args ConvertScatterUpdate(ArgReader& read, const kvant_scatter_update_args& a) {
  Args args;
  args.self = read.Tensor("self", a.self);
  args.indices = read.Tensor("indices", a.indices);
  args.updates = read.Tensor("updates", a.updates);
  args.axis = a.axis;
  args.index_mode = ReadIndexMode(read, a.index_mode);
  args.index_policy = ReadPolicy(read, a.index_policy);
  return args;
}

template <class Args>
Args ConvertQuantScatter(ArgReader& read, const kvant_quant_scatter_args& a) {
  Args args;
  args.self = read.Tensor("self", a.self);
  args.indices = read.Tensor("indices", a.indices);
  args.updates = read.Tensor("updates", a.updates);
  args.quant_scales = read.Tensor("quant_scales", a.quant_scales);
  args.quant_zero_points = read.Tensor("quant_zero_points", a.quant_zero_points);
  args.dst_type = ReadFormat(read, a.dst_type);
  args.axis = a.axis;
  args.quant_axis = a.quant_axis;
  args.reciprocal_scale = read.Choice("reciprocal_scale", a.reciprocal_scale, true);
  args.round_mode = read.Choice<RoundMode>("round_mode", a.round_mode);
  args.index_mode = ReadIndexMode(read, a.index_mode);
  args.index_policy = ReadPolicy(read, a.index_policy);
  return args;
}

constexpr std::string_view kNoOut = "self is written in place";

CacheUpdate ConvertSecond(ArgReader& read, const kvant_cache_update& c) {
  return {.updates = read.Tensor("second.updates", c.updates),
          .var = read.Tensor("second.var", c.var),
          .var_scale = read.Tensor("second.var_scale", c.var_scale),
          .var_offset = read.Tensor("second.var_offset", c.var_offset)};
}

}  // namespace

ScatterUpdateInPlaceArgs InPlace::operator()(ArgReader& read, const kvant_scatter_update_args& a) const {
  read.ExpectAbsent("out", a.out, kNoOut);
  return ConvertScatterUpdate<ScatterUpdateInPlaceArgs>(read, a);
}

QuantScatterInPlaceArgs InPlace::operator()(ArgReader& read, const kvant_quant_scatter_args& a) const {
  read.ExpectAbsent("out", a.out, kNoOut);
  return ConvertQuantScatter<QuantScatterInPlaceArgs>(read, a);
}

ScatterUpdateArgs Convert(ArgReader& read, const kvant_scatter_update_args& a) {
  auto args = ConvertScatterUpdate<ScatterUpdateArgs>(read, a);
  args.out = read.Tensor("out", a.out);
  return args;
}

QuantScatterArgs Convert(ArgReader& read, const kvant_quant_scatter_args& a) {
  auto args = ConvertQuantScatter<QuantScatterArgs>(read, a);
  args.out = read.Tensor("out", a.out);
  return args;
}

DynamicQuantUpdateScatterArgs Convert(ArgReader& read, const kvant_dynamic_quant_update_scatter_args& a) {
  DynamicQuantUpdateScatterArgs args;
  args.updates = read.Tensor("updates", a.updates);
  args.var = read.Tensor("var", a.var);
  args.var_scale = read.Tensor("var_scale", a.var_scale);
  args.var_offset = read.Tensor("var_offset", a.var_offset);
  args.second = ConvertSecond(read, a.second);
  args.indices = read.Tensor("indices", a.indices);
  args.smooth_scales = read.Tensor("smooth_scales", a.smooth_scales);
  args.dst_type = ReadFormat(read, a.dst_type);
  args.symmetric = read.Choice("symmetric", a.symmetric, true);
  args.negate_offset = read.Choice("negate_offset", a.negate_offset, true);
  args.group_size = a.group_size;
  args.axis = a.axis;
  args.index_mode = ReadIndexMode(read, a.index_mode);
  args.index_policy = ReadPolicy(read, a.index_policy);
  return args;
}

DequantizeGatherArgs Convert(ArgReader& read, const kvant_dequantize_gather_args& a) {
  DequantizeGatherArgs args;
  args.var = read.Tensor("var", a.var);
  args.var_scale = read.Tensor("var_scale", a.var_scale);
  args.var_offset = read.Tensor("var_offset", a.var_offset);
  args.indices = read.Tensor("indices", a.indices);
  args.dst_type = ReadFormat(read, a.dst_type);
  args.length = a.length;
  args.group_size = a.group_size;
  args.negate_offset = read.Choice("negate_offset", a.negate_offset, true);
  args.axis = a.axis;
  args.index_mode = ReadIndexMode(read, a.index_mode);
  args.index_policy = ReadPolicy(read, a.index_policy);
  args.x = read.Tensor("x", a.x);
  return args;
}

// Declared in c_api_scatter.h at global scope: with C linkage the namespace of a definition does not matter.
extern "C" {

kvant_status kvant_scatter_update(const kvant_scatter_update_args* args, const kvant_exec* exec) {
  return Call("scatter_update", args, exec, ScatterUpdate);
}

kvant_status kvant_scatter_update_in_place(const kvant_scatter_update_args* args, const kvant_exec* exec) {
  return Call("scatter_update_", args, exec, ScatterUpdateInPlace, InPlace());
}

kvant_status kvant_infer_scatter_update(const kvant_scatter_update_args* args, kvant_tensor_spec* out) {
  return CallInfer(
      "scatter_update", args,
      [=](ArgReader&, const ScatterUpdateArgs& a) { return StoreOne(&InferScatterUpdate, a, out); },
      &kvant_scatter_update_args::out);
}

kvant_status kvant_quant_scatter(const kvant_quant_scatter_args* args, const kvant_exec* exec) {
  return Call("quant_scatter", args, exec, QuantScatter);
}

kvant_status kvant_quant_scatter_in_place(const kvant_quant_scatter_args* args, const kvant_exec* exec) {
  return Call("quant_scatter_", args, exec, QuantScatterInPlace, InPlace());
}

kvant_status kvant_infer_quant_scatter(const kvant_quant_scatter_args* args, kvant_tensor_spec* out) {
  return CallInfer(
      "quant_scatter", args,
      [=](ArgReader&, const QuantScatterArgs& a) { return StoreOne(&InferQuantScatter, a, out); },
      &kvant_quant_scatter_args::out);
}

kvant_status kvant_dynamic_quant_update_scatter(const kvant_dynamic_quant_update_scatter_args* args,
                                                const kvant_exec* exec) {
  return Call("dynamic_quant_update_scatter_", args, exec, DynamicQuantUpdateScatter);
}

kvant_status kvant_dequantize_gather(const kvant_dequantize_gather_args* args, const kvant_exec* exec) {
  return Call("dequantize_gather", args, exec, DequantizeGather);
}

kvant_status kvant_infer_dequantize_gather(const kvant_dequantize_gather_args* args, DLDataType dtype,
                                           kvant_tensor_spec* x) {
  return CallInfer(
      "dequantize_gather", args,
      [=](ArgReader& read, const DequantizeGatherArgs& a) {
        return StoreTyped(&InferDequantizeGather, read, a, {"dtype", dtype}, x);
      },
      &kvant_dequantize_gather_args::x);
}

}  // extern "C"

}  // namespace kvant::c_api
