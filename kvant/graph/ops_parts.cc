// The parts of dynamic_quant, INT4 packing and group counts.
#include "kvant/graph/op_def.h"
#include "kvant/ops/group_counts/rules.h"
#include "kvant/ops/pack_int4/pack_int4.h"
#include "kvant/ops/params/rules.h"
#include "kvant/ops/quantize_with_params/quantize_with_params.h"
#include "kvant/ops/row_stats/rules.h"

namespace kvant::graph {
namespace {

RowStatsArgs RowStatsOf(const Call& c) {
  RowStatsArgs a;
  a.x = c.In("x");
  a.smooth_scales = c.In("smooth_scales");
  a.group_index = c.In("group_index");
  a.quant_mode = c.Choice<QuantMode>("quant_mode");
  a.group_size = c.Int("group_size");
  a.min = c.Out("min");
  a.max = c.Out("max");
  a.amax = c.Out("amax");
  return a;
}
Status InferStats(std::string_view op, const Call& c, TensorSpec* spec) {
  const RowStatsArgs a = RowStatsOf(c);
  KVANT_RETURN_IF_ERROR(CheckInputs(row_stats::Inputs(op, a)));
  *spec = ParamSpec(a.x, a.quant_mode, a.group_size);
  return {};
}

ParamsFromAmaxArgs FromAmaxOf(const Call& c) {
  return {c.In("amax"), c.Choice<Format>("dst_type"), c.Float("dst_type_max"), c.Out("scale")};
}
ParamsFromMinMaxArgs FromMinMaxOf(const Call& c) {
  return {c.In("min"),    c.In("max"),    c.Choice<Format>("dst_type"), c.Float("dst_type_max"),
          c.Out("scale"), c.Out("offset")};
}
Status InferFromAmax(const Call& c, std::vector<Result>* results) {
  const ParamsFromAmaxArgs a = FromAmaxOf(c);
  float d;
  KVANT_RETURN_IF_ERROR(CheckDstTypeMax("params_from_amax", a.dst_type, a.dst_type_max, &d));
  KVANT_RETURN_IF_ERROR(params::Check("params_from_amax", {"amax", a.amax}, {{"amax", a.amax}}, {}));
  *results = {{"scale", SpecOf(a.amax)}};
  return {};
}
Status InferFromMinMax(const Call& c, std::vector<Result>* results) {
  const ParamsFromMinMaxArgs a = FromMinMaxOf(c);
  float d;
  KVANT_RETURN_IF_ERROR(CheckDstTypeMax("params_from_minmax", a.dst_type, a.dst_type_max, &d));
  KVANT_RETURN_IF_ERROR(params::Check("params_from_minmax", {"min", a.min}, {{"min", a.min}, {"max", a.max}}, {}));
  *results = {{"scale", SpecOf(a.min)}, {"offset", SpecOf(a.min)}};
  return {};
}

QuantizeWithParamsArgs WithParamsOf(const Call& c) {
  QuantizeWithParamsArgs a;
  a.x = c.In("x");
  a.scale = c.In("scale");
  a.offset = c.In("offset");
  a.smooth_scales = c.In("smooth_scales");
  a.group_index = c.In("group_index");
  a.dst_type = c.Choice<Format>("dst_type");
  a.quant_mode = c.Choice<QuantMode>("quant_mode");
  a.group_size = c.Int("group_size");
  a.y = c.Out("y");
  return a;
}

// A vector of indices to one like it.
Status InferGroups(std::string_view op, std::string_view from, std::string_view to, const Call& c,
                   std::vector<Result>* results) {
  KVANT_RETURN_IF_ERROR(group_counts::CheckVector(op, {from, c.In(from)}));
  *results = {{std::string(to), SpecOf(c.In(from))}};
  return {};
}

}  // namespace

void AddPartOps(std::vector<OpDef>* ops) {
  constexpr Use kOptional = Use::kOptional;
  const std::vector<ArgumentDef> rows = {{"x"}, {"smooth_scales", kOptional}, {"group_index", kOptional}};
  ops->push_back({"row_amax",
                  rows,
                  {QuantModeOf(), Int("group_size", 0)},
                  [](const Call& c, std::vector<Result>* results) {
                    *results = {{"amax", {}}};
                    return InferStats("row_amax", c, &results->front().spec);
                  },
                  [](const Call& c, const ExecOptions& exec) { return RowAmax(RowStatsOf(c), exec); }});
  ops->push_back({"row_minmax",
                  rows,
                  {QuantModeOf(), Int("group_size", 0)},
                  [](const Call& c, std::vector<Result>* results) -> Status {
                    TensorSpec spec;
                    KVANT_RETURN_IF_ERROR(InferStats("row_minmax", c, &spec));
                    *results = {{"min", spec}, {"max", spec}};
                    return {};
                  },
                  [](const Call& c, const ExecOptions& exec) { return RowMinMax(RowStatsOf(c), exec); }});
  ops->push_back({"params_from_amax",
                  {{"amax"}},
                  {DstType(), Float("dst_type_max", 0)},
                  InferFromAmax,
                  [](const Call& c, const ExecOptions&) { return ParamsFromAmax(FromAmaxOf(c)); }});
  ops->push_back({"params_from_minmax",
                  {{"min"}, {"max"}},
                  {DstType(), Float("dst_type_max", 0)},
                  InferFromMinMax,
                  [](const Call& c, const ExecOptions&) { return ParamsFromMinMax(FromMinMaxOf(c)); }});
  ops->push_back({"quantize_with_params",
                  {{"x"}, {"scale"}, {"offset", kOptional}, {"smooth_scales", kOptional}, {"group_index", kOptional}},
                  {DstType(), QuantModeOf(), Int("group_size", 0)},
                  [](const Call& c, std::vector<Result>* results) {
                    *results = {{"y", {}}};
                    return InferQuantizeWithParams(WithParamsOf(c), &results->front().spec);
                  },
                  [](const Call& c, const ExecOptions& exec) { return QuantizeWithParams(WithParamsOf(c), exec); }});
  ops->push_back({"pack_int4",
                  {{"codes"}},
                  {DTypeOf("storage", DType::kUInt8)},
                  [](const Call& c, std::vector<Result>* results) {
                    *results = {{"packed", {}}};
                    return InferPackInt4({c.In("codes"), {}}, c.Choice<DType>("storage"), &results->front().spec);
                  },
                  [](const Call& c, const ExecOptions& exec) {
                    return PackInt4({c.In("codes"), c.Out("packed")}, exec);
                  }});
  ops->push_back({"unpack_int4",
                  {{"packed"}},
                  {},
                  [](const Call& c, std::vector<Result>* results) {
                    *results = {{"codes", {}}};
                    return InferUnpackInt4({c.In("packed"), {}}, &results->front().spec);
                  },
                  [](const Call& c, const ExecOptions& exec) {
                    return UnpackInt4({c.In("packed"), c.Out("codes")}, exec);
                  }});
  ops->push_back({"counts_from_ends",
                  {{"ends"}},
                  {},
                  [](const Call& c, std::vector<Result>* results) {
                    return InferGroups("counts_from_ends", "ends", "counts", c, results);
                  },
                  [](const Call& c, const ExecOptions&) { return CountsFromEnds(c.In("ends"), c.Out("counts")); }});
  ops->push_back({"ends_from_counts",
                  {{"counts"}},
                  {},
                  [](const Call& c, std::vector<Result>* results) {
                    return InferGroups("ends_from_counts", "counts", "ends", c, results);
                  },
                  [](const Call& c, const ExecOptions&) { return EndsFromCounts(c.In("counts"), c.Out("ends")); }});
}

}  // namespace kvant::graph
