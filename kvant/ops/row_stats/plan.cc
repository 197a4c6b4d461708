#include "kvant/ops/row_stats/rules.h"
#include "kvant/rowwise/make_plan.h"

namespace kvant {
namespace {

Status Run(std::string_view op, const RowStatsArgs& args, NamedTensor first, NamedTensor second,
           const ExecOptions& exec) {
  KVANT_RETURN_IF_ERROR(row_stats::Check(op, args, first, second));
  RowwisePlan plan;
  const ConstTensorView none{};
  plan.stage = Stage::kMeasure;
  plan.amax_only = !second.tensor.present();
  KVANT_RETURN_IF_ERROR(MakeRowwisePlan(row_stats::Inputs(op, args), {none, first.tensor, second.tensor}, exec, &plan));
  return RunRowwise(plan, exec);
}

}  // namespace

Status InferRowStats(const RowStatsArgs& args, TensorSpec* result) {
  KVANT_RETURN_IF_ERROR(CheckInputs(row_stats::Inputs("row_stats", args)));
  *result = ParamSpec(args.x, args.quant_mode, args.group_size);
  return {};
}

Status RowMinMax(const RowStatsArgs& args, const ExecOptions& exec) {
  constexpr std::string_view kOp = "row_minmax";
  KVANT_RETURN_IF_ERROR(CheckPresent(kOp, {"max", args.max}));
  return Run(kOp, args, {"min", args.min}, {"max", args.max}, exec);
}

Status RowAmax(const RowStatsArgs& args, const ExecOptions& exec) {
  const ConstTensorView none{};
  return Run("row_amax", args, {"amax", args.amax}, {"", none}, exec);
}

}  // namespace kvant
