// Quantizing, dequantizing and the activation between.
#include "kvant/graph/op_def.h"
#include "kvant/ops/dequant_swiglu_quant/dequant_swiglu_quant.h"
#include "kvant/ops/dequantize/dequantize.h"
#include "kvant/ops/dynamic_quant/dynamic_quant.h"
#include "kvant/ops/quantize/quantize.h"

namespace kvant::graph {
namespace {

DynamicQuantArgs DynamicQuantOf(const Call& c) {
  DynamicQuantArgs a;
  a.x = c.In("x");
  a.smooth_scales = c.In("smooth_scales");
  a.group_index = c.In("group_index");
  a.dst_type = c.Choice<Format>("dst_type");
  a.symmetric = c.Bool("symmetric");
  a.quant_mode = c.Choice<QuantMode>("quant_mode");
  a.group_size = c.Int("group_size");
  a.dst_type_max = c.Float("dst_type_max");
  a.y = c.Out("y");
  a.scale = c.Out("scale");
  a.offset = c.Out("offset");
  return a;
}
Status InferDynamic(const Call& c, std::vector<Result>* results) {
  const DynamicQuantArgs args = DynamicQuantOf(c);
  DynamicQuantOutputs outputs;
  KVANT_RETURN_IF_ERROR(InferDynamicQuant(args, &outputs));
  *results = {{"y", outputs.y}, {"scale", outputs.scale}};
  if (!args.symmetric) results->push_back({"offset", outputs.offset});
  return {};
}

QuantizeArgs QuantizeOf(const Call& c) {
  QuantizeArgs a;
  a.x = c.In("x");
  a.quant_scales = c.In("quant_scales");
  a.quant_zero_points = c.In("quant_zero_points");
  a.dst_type = c.Choice<Format>("dst_type");
  a.axis = c.Int32("axis");
  a.reciprocal_scale = c.Bool("reciprocal_scale");
  a.round_mode = c.Choice<RoundMode>("round_mode");
  a.y = c.Out("y");
  return a;
}

DequantizeArgs DequantizeOf(const Call& c) {
  DequantizeArgs a;
  a.y = c.In("y");
  a.scale = c.In("scale");
  a.offset = c.In("offset");
  a.dst_type = c.Choice<Format>("dst_type");
  a.quant_mode = c.Choice<QuantMode>("quant_mode");
  a.group_size = c.Int("group_size");
  a.negate_offset = c.Bool("negate_offset");
  a.x = c.Out("x");
  return a;
}

DequantSwigluQuantArgs SwigluOf(const Call& c) {
  DequantSwigluQuantArgs a;
  a.x = c.In("x");
  a.weight_scale = c.In("weight_scale");
  a.activation_scale = c.In("activation_scale");
  a.bias = c.In("bias");
  a.quant_scale = c.In("quant_scale");
  a.quant_offset = c.In("quant_offset");
  a.group_index = c.In("group_index");
  a.activate_left = c.Bool("activate_left");
  a.quant_mode = c.Choice<ScaleSource>("quant_mode");
  a.dst_type = c.Choice<Format>("dst_type");
  a.swiglu_mode = c.Choice<SwigluMode>("swiglu_mode");
  a.clamp_limit = c.Float("clamp_limit");
  a.glu_alpha = c.Float("glu_alpha");
  a.glu_bias = c.Float("glu_bias");
  a.y = c.Out("y");
  a.scale = c.Out("scale");
  return a;
}
Status InferSwiglu(const Call& c, std::vector<Result>* results) {
  *results = {{"y", {}}, {"scale", {}}};
  return InferDequantSwigluQuant(SwigluOf(c), &(*results)[0].spec, &(*results)[1].spec);
}

AttributeDef SwigluSource() {
  static const Choices choices = {{"static", "dynamic"}, {0, 1}, "number"};
  return {"quant_mode", AttributeKind::kChoice, "static", false, &choices};
}
AttributeDef SwigluModeOf() {
  static const Choices choices = {{"0", "1", "2"}, {0, 1, 2}};
  return {"swiglu_mode", AttributeKind::kChoice, "0", false, &choices};
}

}  // namespace

void AddQuantOps(std::vector<OpDef>* ops) {
  constexpr Use kOptional = Use::kOptional;
  ops->push_back({"dynamic_quant",
                  {{"x"}, {"smooth_scales", kOptional}, {"group_index", kOptional}},
                  {DstType(), Flag("symmetric"), QuantModeOf(), Int("group_size", 0), Float("dst_type_max", 0)},
                  InferDynamic,
                  [](const Call& c, const ExecOptions& exec) { return DynamicQuant(DynamicQuantOf(c), exec); }});
  ops->push_back({"quantize",
                  {{"x"}, {"quant_scales"}, {"quant_zero_points", kOptional}},
                  {DstType(), Axis(-1), Flag("reciprocal_scale"), RoundModeOf()},
                  [](const Call& c, std::vector<Result>* results) {
                    *results = {{"y", {}}};
                    return InferQuantize(QuantizeOf(c), &results->front().spec);
                  },
                  [](const Call& c, const ExecOptions& exec) { return Quantize(QuantizeOf(c), exec); }});
  ops->push_back(
      {"dequantize",
       {{"y"}, {"scale"}, {"offset", kOptional}},
       {DstType(), QuantModeOf(), Int("group_size", 0), Flag("negate_offset"), DTypeOf("dtype", DType::kFloat32)},
       [](const Call& c, std::vector<Result>* results) {
         *results = {{"x", {}}};
         return InferDequantize(DequantizeOf(c), c.Choice<DType>("dtype"), &results->front().spec);
       },
       [](const Call& c, const ExecOptions& exec) { return Dequantize(DequantizeOf(c), exec); }});
  ops->push_back({"dequant_swiglu_quant",
                  {{"x"},
                   {"weight_scale", kOptional},
                   {"activation_scale", kOptional},
                   {"bias", kOptional},
                   {"quant_scale", kOptional},
                   {"quant_offset", kOptional},
                   {"group_index", kOptional}},
                  {Flag("activate_left"), SwigluSource(), DstType(), SwigluModeOf(), Float("clamp_limit", 7.0),
                   Float("glu_alpha", 1.702), Float("glu_bias", 1.0)},
                  InferSwiglu,
                  [](const Call& c, const ExecOptions& exec) { return DequantSwigluQuant(SwigluOf(c), exec); }});
}

}  // namespace kvant::graph
