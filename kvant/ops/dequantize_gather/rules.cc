#include "kvant/ops/dequantize_gather/rules.h"

#include <fmt/core.h>

namespace kvant::dequantize_gather {
namespace {

// What x has to look like for indices, var and length that may be wrong; CheckScatter judges them with it.
TensorSpec SpecOfX(const DequantizeGatherArgs& a, DType dtype) {
  TensorSpec spec{};
  spec.dtype = dtype;
  const int rank = a.var.rank(), axis = a.axis < 0 ? a.axis + rank : a.axis;
  const bool slots = a.index_mode == IndexMode::kSlot;
  for (int d = 0; d < rank && rank <= kMaxRank; ++d) {
    if (d == axis && slots) continue;
    const int64_t codes = d == rank - 1 ? CodesPerElement(a.dst_type, a.var.dtype()) : 1;
    spec.shape[spec.rank++] = d == 0 && a.indices.rank() > 0 ? a.indices.shape(0)
                              : d == axis                    ? a.length
                                                             : a.var.shape(d) * codes;
  }
  return spec;
}

}  // namespace

DequantizeGatherArgs Canonical(DequantizeGatherArgs a) {
  if (a.group_size != 0 || !a.var.present()) return a;
  const bool only_scales = !a.var_offset.present();
  for (ConstTensorView* t : {&a.var_scale, &a.var_offset}) {
    if (!t->present() || t->rank() == a.var.rank() - 1) continue;
    TensorView table(const_cast<void*>(t->data()), t->dtype(), t->shape(), t->strides());
    table.set_device(t->device());
    *t = CanonicalTable(a.var, table, only_scales);
  }
  return a;
}

Status CheckInputs(const DequantizeGatherArgs& a, DType dtype, ScatterGeometry* geometry, TensorSpec* x) {
  KVANT_RETURN_IF_ERROR(CheckPresent(kOp, {"var", a.var}));
  KVANT_RETURN_IF_ERROR(CheckStorage(kOp, {"var", a.var}, a.dst_type));
  if (a.length < 1 || (a.index_mode == IndexMode::kSlot && a.length != 1)) {
    return Status::InvalidValue(fmt::format("{}: length is {}, expected {}", kOp, a.length,
                                            a.length < 1 ? "at least 1" : "1 for index_mode slot"));
  }
  *x = SpecOfX(a, dtype);
  // Its shape is what matters; a cache without elements may have no memory.
  alignas(8) static constexpr char kAnywhere[8] = {};
  const ConstTensorView logical(kAnywhere, dtype, x->dims()), none;
  KVANT_RETURN_IF_ERROR(CheckFloat(kOp, {"x", logical}));
  const int64_t packed = CodesPerElement(a.dst_type, a.var.dtype());
  KVANT_RETURN_IF_ERROR(CheckScatter({kOp,
                                      {"var", a.var},
                                      a.indices,
                                      {"x", logical},
                                      a.axis,
                                      a.index_mode,
                                      a.index_policy,
                                      /*whole_rows=*/true,
                                      packed,
                                      /*gathers=*/true},
                                     geometry));
  KVANT_RETURN_IF_ERROR(CheckPresent(kOp, {"x", logical}));
  const RowwiseInputs rows{kOp, logical, none, none, QuantMode::kPerToken, a.group_size};
  KVANT_RETURN_IF_ERROR(kvant::CheckInputs(rows));
  KVANT_RETURN_IF_ERROR(CheckFormat(rows, a.dst_type));
  KVANT_RETURN_IF_ERROR(CheckPackedCache(kOp, {"var", a.var}, a.dst_type));
  TensorSpec tables = TableSpec(a.var, x->shape[x->rank - 1], a.group_size);
  KVANT_RETURN_IF_ERROR(CheckPresent(kOp, {"var_scale", a.var_scale}));
  KVANT_RETURN_IF_ERROR(CheckFloat(kOp, {"var_scale", a.var_scale}));
  tables.dtype = a.var_scale.dtype();
  KVANT_RETURN_IF_ERROR(CheckSpec(kOp, {"var_scale", a.var_scale}, tables));
  if (a.var_offset.present()) return CheckSpec(kOp, {"var_offset", a.var_offset}, tables);
  if (!a.negate_offset) return {};
  return Status::InvalidValue(fmt::format("{}: negate_offset was given, but there is no var_offset", kOp));
}

Status CheckOutput(const DequantizeGatherArgs& a, const TensorSpec& spec, Device device) {
  KVANT_RETURN_IF_ERROR(CheckSpec(kOp, {"x", a.x}, spec));
  return CheckOverlap(
      kOp, {{"x", a.x}},
      {{"var", a.var}, {"var_scale", a.var_scale}, {"var_offset", a.var_offset}, {"indices", a.indices}}, device);
}

}  // namespace kvant::dequantize_gather
