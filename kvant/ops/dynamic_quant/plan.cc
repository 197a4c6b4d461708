#include "kvant/ops/dynamic_quant/rules.h"
#include "kvant/rowwise/make_plan.h"
#include "kvant/rowwise/plain.h"

namespace kvant {

Status InferDynamicQuant(const DynamicQuantArgs& args, DynamicQuantOutputs* outputs) {
  float d;
  KVANT_RETURN_IF_ERROR(dynamic_quant::CheckInputs(args, &d));
  outputs->y = CodeSpec(args.x, args.dst_type, StorageType(args.dst_type));
  outputs->scale = ParamSpec(args.x, args.quant_mode, args.group_size);
  outputs->offset = outputs->scale;
  if (args.symmetric) outputs->offset.rank = -1;
  return {};
}

Status DynamicQuant(const DynamicQuantArgs& args, const ExecOptions& exec) {
  const bool plain = args.quant_mode == QuantMode::kPerToken && args.group_size == 0 && args.dst_type_max == 0 &&
                     !args.smooth_scales.present() && !args.group_index.present() && exec.stores != Stores::kStreaming;
  PlainRows rows;
  if (plain && FindPlainRows(args.dst_type, !args.symmetric, args.x, args.y, args.scale, args.offset, &rows)) {
    QuantizePlainRows(rows);
    return {};
  }

  RowwisePlan plan;
  plan.format = args.dst_type;
  plan.asymmetric = !args.symmetric;
  KVANT_RETURN_IF_ERROR(dynamic_quant::CheckInputs(args, &plan.d));
  KVANT_RETURN_IF_ERROR(dynamic_quant::CheckOutputs(args));
  plan.r = RangeFor(args.dst_type, plan.d);
  KVANT_RETURN_IF_ERROR(MakeRowwisePlan(dynamic_quant::Inputs(args), {args.y, args.scale, args.offset}, exec, &plan));
  return RunRowwise(plan, exec);
}

}  // namespace kvant
