// Writing to places that indices name, and reading from them.
#include "kvant/graph/op_def.h"
#include "kvant/ops/dequantize_gather/dequantize_gather.h"
#include "kvant/ops/dynamic_quant_update_scatter/rules.h"
#include "kvant/ops/quant_scatter/rules.h"
#include "kvant/ops/scatter_update/rules.h"

namespace kvant::graph {
namespace {

template <class Args>
Args ScatterUpdateOf(const Call& c) {
  Args a;
  a.self = c.In("self");
  a.indices = c.In("indices");
  a.updates = c.In("updates");
  a.axis = c.Int32("axis");
  a.index_mode = c.OptionalChoice<IndexMode>("index_mode");
  a.index_policy = c.Choice<IndexPolicy>("index_policy");
  return a;
}
ScatterUpdateArgs NewScatterUpdateOf(const Call& c) {
  auto a = ScatterUpdateOf<ScatterUpdateArgs>(c);
  a.out = c.Out("out");
  return a;
}

template <class Args>
Args QuantScatterOf(const Call& c) {
  Args a = ScatterUpdateOf<Args>(c);
  a.quant_scales = c.In("quant_scales");
  a.quant_zero_points = c.In("quant_zero_points");
  a.dst_type = c.Choice<Format>("dst_type");
  a.quant_axis = c.Int32("quant_axis");
  a.reciprocal_scale = c.Bool("reciprocal_scale");
  a.round_mode = c.Choice<RoundMode>("round_mode");
  return a;
}
QuantScatterArgs NewQuantScatterOf(const Call& c) {
  auto a = QuantScatterOf<QuantScatterArgs>(c);
  a.out = c.Out("out");
  return a;
}

DynamicQuantUpdateScatterArgs FusedOf(const Call& c) {
  DynamicQuantUpdateScatterArgs a;
  a.updates = c.In("updates");
  a.var = c.In("var");
  a.var_scale = c.In("var_scale");
  a.var_offset = c.In("var_offset");
  a.second.updates = c.In("second.updates");
  a.second.var = c.In("second.var");
  a.second.var_scale = c.In("second.var_scale");
  a.second.var_offset = c.In("second.var_offset");
  a.indices = c.In("indices");
  a.smooth_scales = c.In("smooth_scales");
  a.dst_type = c.Choice<Format>("dst_type");
  a.symmetric = c.Bool("symmetric");
  a.negate_offset = c.Bool("negate_offset");
  a.group_size = c.Int("group_size");
  a.axis = c.Int32("axis");
  a.index_mode = c.OptionalChoice<IndexMode>("index_mode");
  a.index_policy = c.Choice<IndexPolicy>("index_policy");
  return a;
}

DequantizeGatherArgs GatherOf(const Call& c) {
  DequantizeGatherArgs a;
  a.var = c.In("var");
  a.var_scale = c.In("var_scale");
  a.var_offset = c.In("var_offset");
  a.indices = c.In("indices");
  a.dst_type = c.Choice<Format>("dst_type");
  a.length = c.Int("length");
  a.group_size = c.Int("group_size");
  a.negate_offset = c.Bool("negate_offset");
  a.axis = c.Int32("axis");
  a.index_mode = c.OptionalChoice<IndexMode>("index_mode");
  a.index_policy = c.Choice<IndexPolicy>("index_policy");
  a.x = c.Out("x");
  return a;
}

template <Use kSelf>
std::vector<ArgumentDef> ScatterArguments() {
  return {{"self", kSelf}, {"indices"}, {"updates"}};
}
template <Use kSelf>
std::vector<ArgumentDef> QuantScatterArguments() {
  return {{"self", kSelf}, {"indices"}, {"updates"}, {"quant_scales"}, {"quant_zero_points", Use::kOptional}};
}
std::vector<AttributeDef> QuantScatterAttributes() {
  return {
      DstType(),     Axis(-2),       {"quant_axis", AttributeKind::kInt32, -1}, Flag("reciprocal_scale"), RoundModeOf(),
      IndexModeOf(), IndexPolicyOf()};
}

}  // namespace

void AddScatterOps(std::vector<OpDef>* ops) {
  constexpr Use kOptional = Use::kOptional, kWritten = Use::kWritten, kWrittenOptional = Use::kWrittenOptional;
  ops->push_back({"scatter_update",
                  ScatterArguments<Use::kRequired>(),
                  {Axis(-2), IndexModeOf(), IndexPolicyOf()},
                  [](const Call& c, std::vector<Result>* results) {
                    *results = {{"out", {}}};
                    return InferScatterUpdate(NewScatterUpdateOf(c), &results->front().spec);
                  },
                  [](const Call& c, const ExecOptions& exec) { return ScatterUpdate(NewScatterUpdateOf(c), exec); }});
  ops->push_back({"scatter_update_",
                  ScatterArguments<kWritten>(),
                  {Axis(-2), IndexModeOf(), IndexPolicyOf()},
                  [](const Call& c, std::vector<Result>*) {
                    ScatterGeometry geometry;
                    return scatter_update::Check(ScatterUpdateOf<ScatterUpdateInPlaceArgs>(c), &geometry);
                  },
                  [](const Call& c, const ExecOptions& exec) {
                    return ScatterUpdateInPlace(ScatterUpdateOf<ScatterUpdateInPlaceArgs>(c), exec);
                  }});
  ops->push_back({"quant_scatter", QuantScatterArguments<Use::kRequired>(), QuantScatterAttributes(),
                  [](const Call& c, std::vector<Result>* results) {
                    *results = {{"out", {}}};
                    return InferQuantScatter(NewQuantScatterOf(c), &results->front().spec);
                  },
                  [](const Call& c, const ExecOptions& exec) { return QuantScatter(NewQuantScatterOf(c), exec); }});
  ops->push_back({"quant_scatter_", QuantScatterArguments<kWritten>(), QuantScatterAttributes(),
                  [](const Call& c, std::vector<Result>*) {
                    ScatterGeometry geometry;
                    return quant_scatter::Check(QuantScatterOf<QuantScatterInPlaceArgs>(c), &geometry);
                  },
                  [](const Call& c, const ExecOptions& exec) {
                    return QuantScatterInPlace(QuantScatterOf<QuantScatterInPlaceArgs>(c), exec);
                  }});
  ops->push_back({"dynamic_quant_update_scatter_",
                  {{"updates"},
                   {"var", kWritten},
                   {"var_scale", kWritten},
                   {"var_offset", kWrittenOptional},
                   {"indices"},
                   {"smooth_scales", kOptional},
                   {"second.updates", kOptional},
                   {"second.var", kWrittenOptional},
                   {"second.var_scale", kWrittenOptional},
                   {"second.var_offset", kWrittenOptional}},
                  {DstType(), Flag("symmetric"), Flag("negate_offset"), Int("group_size", 0), Axis(-2), IndexModeOf(),
                   IndexPolicyOf()},
                  [](const Call& c, std::vector<Result>*) {
                    namespace rules = dynamic_quant_update_scatter;
                    ScatterGeometry geometry;
                    return rules::Check(rules::Canonical(FusedOf(c)), &geometry);
                  },
                  [](const Call& c, const ExecOptions& exec) { return DynamicQuantUpdateScatter(FusedOf(c), exec); }});
  ops->push_back({"dequantize_gather",
                  {{"var"}, {"var_scale"}, {"var_offset", kOptional}, {"indices"}},
                  {DstType(), Int("length", 1), Int("group_size", 0), Flag("negate_offset"), Axis(-2), IndexModeOf(),
                   IndexPolicyOf(), DTypeOf("dtype", DType::kFloat32)},
                  [](const Call& c, std::vector<Result>* results) {
                    *results = {{"x", {}}};
                    return InferDequantizeGather(GatherOf(c), c.Choice<DType>("dtype"), &results->front().spec);
                  },
                  [](const Call& c, const ExecOptions& exec) { return DequantizeGather(GatherOf(c), exec); }});
}

}  // namespace kvant::graph
