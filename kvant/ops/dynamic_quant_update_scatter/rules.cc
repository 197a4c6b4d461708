#include "kvant/ops/dynamic_quant_update_scatter/rules.h"

#include <fmt/core.h>

#include <algorithm>

#include "kvant/core/enumerators.h"

namespace kvant::dynamic_quant_update_scatter {
namespace {

using Args = DynamicQuantUpdateScatterArgs;

// updates [B, 1, H] of var [B, S, 1, H].
bool LacksHeads(const Args& a, const CacheUpdate& c) {
  return a.index_mode == IndexMode::kBatch && c.updates.rank() == 3 && c.var.rank() == 4 && c.updates.shape(1) == 1 &&
         c.var.shape(2) == 1;
}

Status CheckTables(const Args& a, const CacheUpdate& c, const Names& names) {
  TensorSpec spec = TableSpec(c.var, c.updates.shape(-1), a.group_size);
  KVANT_RETURN_IF_ERROR(CheckPresent(kOp, {names.scale, c.var_scale}));
  KVANT_RETURN_IF_ERROR(CheckFloat(kOp, {names.scale, c.var_scale}));
  spec.dtype = c.var_scale.dtype();
  KVANT_RETURN_IF_ERROR(CheckSpec(kOp, {names.scale, c.var_scale}, spec));
  if (a.symmetric) {
    if (!c.var_offset.present()) return {};
    return Status::InvalidValue(
        fmt::format("{}: {} was given, but symmetric quantization has none", kOp, names.offset));
  }
  KVANT_RETURN_IF_ERROR(CheckSpec(kOp, {names.offset, c.var_offset}, spec));
  if (spec.dtype != DType::kBFloat16 || a.dst_type == Format::kInt4) return {};
  return Status::InvalidType(
      fmt::format("{}: {} is bfloat16, whose 8 bits are too few for offsets of int8; expected float32 or float16", kOp,
                  names.offset));
}

Status CheckCache(const Args& a, const CacheUpdate& c, const Names& names, ScatterGeometry* geometry) {
  KVANT_RETURN_IF_ERROR(CheckPresent(kOp, {names.var, c.var}));
  KVANT_RETURN_IF_ERROR(CheckStorage(kOp, {names.var, c.var}, a.dst_type));
  const int64_t packed = CodesPerElement(a.dst_type, c.var.dtype());
  KVANT_RETURN_IF_ERROR(CheckScatter({kOp,
                                      {names.var, c.var},
                                      a.indices,
                                      {names.updates, c.updates},
                                      a.axis,
                                      a.index_mode,
                                      a.index_policy,
                                      /*whole_rows=*/true,
                                      packed},
                                     geometry));
  const ConstTensorView none{};
  const RowwiseInputs rows{kOp,
                           c.updates,
                           a.smooth_scales,
                           none,
                           QuantMode::kPerToken,
                           a.group_size,
                           names.updates,
                           /*has_groups=*/false};
  KVANT_RETURN_IF_ERROR(CheckInputs(rows));
  KVANT_RETURN_IF_ERROR(CheckFormat(rows, a.dst_type));
  KVANT_RETURN_IF_ERROR(CheckPackedCache(kOp, {names.var, c.var}, a.dst_type));
  return CheckTables(a, c, names);
}

bool IsGiven(const CacheUpdate& c) {
  return c.updates.present() || c.var.present() || c.var_scale.present() || c.var_offset.present();
}

}  // namespace

Args Canonical(Args a) {
  const bool lacks_heads = LacksHeads(a, a);
  for (CacheUpdate* c : {static_cast<CacheUpdate*>(&a), &a.second}) {
    if (!c->var.present() || c->var.rank() > kMaxRank || c->updates.rank() > kMaxRank) continue;
    if (LacksHeads(a, *c)) c->updates = WithDimension(c->updates, 1);
    if (a.group_size != 0) continue;
    c->var_scale = CanonicalTable(c->var, c->var_scale, a.symmetric);
    c->var_offset = CanonicalTable(c->var, c->var_offset, a.symmetric);
  }
  // Of the three dimensions of such updates the second is that axis; -2 is the default.
  if (lacks_heads && (a.axis == -2 || a.axis == -3)) a.axis = 1;
  return a;
}

Status Check(const Args& a, ScatterGeometry* geometry, Device device) {
  KVANT_RETURN_IF_ERROR(CheckEnumerator(kOp, "dst_type", a.dst_type));
  if (!IsInteger(a.dst_type)) {
    return Status::InvalidType(fmt::format("{}: dst_type is {}, expected int8 or int4", kOp, Name(a.dst_type)));
  }
  if (a.symmetric && a.negate_offset) {
    return Status::InvalidValue(fmt::format("{}: negate_offset was given, but symmetric codes have no offset", kOp));
  }
  KVANT_RETURN_IF_ERROR(CheckCache(a, a, kNames[0], geometry));
  const CacheUpdate& b = a.second;
  if (IsGiven(b)) {
    ScatterGeometry second;
    KVANT_RETURN_IF_ERROR(CheckCache(a, b, kNames[1], &second));
    if (second.firsts != geometry->firsts || second.positions != geometry->positions || second.axis != geometry->axis ||
        second.length != geometry->length) {
      return Status::InvalidValue(fmt::format(
          "{}: second.var has {} x {} places and updates of {}, expected {} x {} and {} as var", kOp, second.firsts,
          second.positions, second.length, geometry->firsts, geometry->positions, geometry->length));
    }
  }
  return CheckOverlap(kOp,
                      {{kNames[0].var, a.var},
                       {kNames[0].scale, a.var_scale},
                       {kNames[0].offset, a.var_offset},
                       {kNames[1].var, b.var},
                       {kNames[1].scale, b.var_scale},
                       {kNames[1].offset, b.var_offset}},
                      {{kNames[0].updates, a.updates},
                       {kNames[1].updates, b.updates},
                       {"indices", a.indices},
                       {"smooth_scales", a.smooth_scales}},
                      device);
}

}  // namespace kvant::dynamic_quant_update_scatter
