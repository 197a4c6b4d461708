// Small tensors, one value a row: one backend is enough.
#include "kvant/rowwise/plan.h"
#include "kvant/numerics/fp_env.h"
#include "kvant/ops/params/rules.h"
#include "kvant/rowwise/row_params.h"

namespace kvant {
namespace {

VectorMap Map(const ConstTensorView& t) {
  VectorMap m;
  m.data = static_cast<char*>(const_cast<void*>(t.data()));
  m.rows.AppendLeading(t, 0);
  return m;
}

}  // namespace

Status ParamsFromAmax(const ParamsFromAmaxArgs& args, const ExecOptions& /*exec*/) {
  constexpr std::string_view kOp = "params_from_amax";
  float d;
  KVANT_RETURN_IF_ERROR(CheckDstTypeMax(kOp, args.dst_type, args.dst_type_max, &d));
  KVANT_RETURN_IF_ERROR(params::Check(kOp, {"amax", args.amax}, {{"amax", args.amax}}, {{"scale", args.scale}}));
  const VectorMap amax = Map(args.amax), out = Map(args.scale);
  const FpEnv env(FpEnv::kDefault);
  for (int64_t i = 0; i < args.amax.elements(); ++i) {
    *out.At(i) = ParamsOf(0, *amax.At(i), /*asymmetric=*/false, d, 0).scale;
  }
  return {};
}

Status ParamsFromMinMax(const ParamsFromMinMaxArgs& args, const ExecOptions& /*exec*/) {
  constexpr std::string_view kOp = "params_from_minmax";
  float d;
  KVANT_RETURN_IF_ERROR(CheckDstTypeMax(kOp, args.dst_type, args.dst_type_max, &d));
  KVANT_RETURN_IF_ERROR(params::Check(kOp, {"min", args.min}, {{"min", args.min}, {"max", args.max}},
                                      {{"scale", args.scale}, {"offset", args.offset}}));
  const VectorMap min = Map(args.min), max = Map(args.max), scales = Map(args.scale), offsets = Map(args.offset);
  const float r = RangeFor(args.dst_type, d);
  constexpr float kInfinity = std::bit_cast<float>(0x7F800000);
  const FpEnv env(FpEnv::kDefault);
  for (int64_t i = 0; i < args.min.elements(); ++i) {
    const float low = *min.At(i), high = *max.At(i);
    // +inf and -inf, in this order, are what a row without elements reports.
    const bool empty = low == kInfinity && high == -kInfinity;
    const RowParams p = ParamsOf(empty ? 0 : low, empty ? 0 : high, /*asymmetric=*/true, d, r);
    *scales.At(i) = p.scale;
    *offsets.At(i) = p.offset;
  }
  return {};
}

}  // namespace kvant
