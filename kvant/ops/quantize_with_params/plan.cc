#include "kvant/ops/quantize_with_params/rules.h"
#include "kvant/rowwise/make_plan.h"

namespace kvant {

Status InferQuantizeWithParams(const QuantizeWithParamsArgs& args, TensorSpec* y) {
  KVANT_RETURN_IF_ERROR(quantize_with_params::CheckInputs(args));
  *y = CodeSpec(args.x, args.dst_type, StorageType(args.dst_type));
  return {};
}

Status QuantizeWithParams(const QuantizeWithParamsArgs& args, const ExecOptions& exec) {
  KVANT_RETURN_IF_ERROR(quantize_with_params::CheckInputs(args));
  KVANT_RETURN_IF_ERROR(quantize_with_params::CheckOutputs(args));
  RowwisePlan plan;
  plan.stage = Stage::kEncode;
  plan.format = args.dst_type;
  plan.asymmetric = args.offset.present();
  plan.d = Info(args.dst_type).d;
  plan.r = RangeFor(args.dst_type, plan.d);
  KVANT_RETURN_IF_ERROR(
      MakeRowwisePlan(quantize_with_params::Inputs(args), {args.y, args.scale, args.offset}, exec, &plan));
  return RunRowwise(plan, exec);
}

}  // namespace kvant
