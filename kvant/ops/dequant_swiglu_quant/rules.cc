#include "kvant/ops/dequant_swiglu_quant/rules.h"

#include <fmt/core.h>

#include <cmath>

#include "kvant/core/enumerators.h"
#include "kvant/numerics/fp_env.h"
#include "kvant/rowwise/rules.h"

namespace kvant::swiglu {
namespace {

template <class... Args>
Status Invalid(fmt::format_string<Args...> text, Args&&... args) {
  return Status::InvalidValue(fmt::format("{}: ", kOp) + fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
Status InvalidDtype(fmt::format_string<Args...> text, Args&&... args) {
  return Status::InvalidType(fmt::format("{}: ", kOp) + fmt::format(text, std::forward<Args>(args)...));
}

Status CheckX(const ConstTensorView& x) {
  KVANT_RETURN_IF_ERROR(CheckPresent(kOp, {"x", x}));
  if (x.dtype() != DType::kInt32 && !IsFloat(x.dtype())) {
    return InvalidDtype("x is {}, expected int32, float16, bfloat16 or float32", Name(x.dtype()));
  }
  if (x.rank() < 1) return Invalid("x has no dimensions, expected at least 1");
  if (x.shape(-1) % 2 != 0) {
    return Invalid("x.shape[-1] is {}, expected an even number: gates and linear parts", x.shape(-1));
  }
  return {};
}

// Doubles are rounded once to float32.
Status CheckAttributes(const DequantSwigluQuantArgs& a, Attributes* attributes) {
  KVANT_RETURN_IF_ERROR(CheckEnumerator(kOp, "dst_type", a.dst_type));
  KVANT_RETURN_IF_ERROR(CheckEnumerator(kOp, "quant_mode", a.quant_mode));
  KVANT_RETURN_IF_ERROR(CheckEnumerator(kOp, "swiglu_mode", a.swiglu_mode));
  if (a.dst_type == Format::kInt4) {
    return Invalid("dst_type is int4, expected int8, float8_e4m3fn, float8_e5m2 or hifloat8");
  }
  const FpEnv env(FpEnv::kDefault);  // the caller's state does not reach the rounding of an attribute
  const DequantSwigluQuantArgs defaults;
  const struct {
    std::string_view name;
    double value, by_default;
    float* to;
  } kAll[] = {{"clamp_limit", a.clamp_limit, defaults.clamp_limit, &attributes->limit},
              {"glu_alpha", a.glu_alpha, defaults.glu_alpha, &attributes->alpha},
              {"glu_bias", a.glu_bias, defaults.glu_bias, &attributes->bias}};
  for (const auto& attribute : kAll) {
    if (a.swiglu_mode == SwigluMode::kSwish && attribute.value != attribute.by_default) {
      return Invalid("{} is {}, but swiglu_mode is 0: it is for the clamped modes 1 and 2", attribute.name,
                     attribute.value);
    }
    *attribute.to = static_cast<float>(attribute.value);
    if (!std::isfinite(*attribute.to)) {
      return Invalid("{} is {}, expected a finite float32", attribute.name, attribute.value);
    }
  }
  if (!(attributes->limit > 0)) return Invalid("clamp_limit is {}, expected a float32 above 0", a.clamp_limit);
  return {};
}

Status CheckGroupIndex(const ConstTensorView& groups, Problem* problem) {
  if (!groups.present()) return {};
  KVANT_RETURN_IF_ERROR(CheckPresent(kOp, {"group_index", groups}));
  KVANT_RETURN_IF_ERROR(CheckIndex(kOp, {"group_index", groups}));
  const bool pairs = groups.rank() == 2 && groups.shape(1) == 2;
  if (groups.rank() != 1 && !pairs) {
    return Invalid("group_index has shape {}, expected [G], row counts, or [G, 2], parameter rows and row counts",
                   ShapeText(groups.shape()));
  }
  problem->grouping = pairs ? Grouping::kPairs : Grouping::kCounts;
  if (!pairs) problem->parameter_rows = groups.shape(0);
  return {};
}

// Which shapes a table may have, for an error.
std::string Expected(const Problem& p, int64_t columns, bool scalars) {
  std::string text = fmt::format("[{}] or [1, {}]", columns, columns);
  if (scalars) text = fmt::format("[{}], [1, {}] or [1]", columns, columns);
  if (p.grouping == Grouping::kNone) return text + " without a group_index";
  const std::string rows = p.parameter_rows < 0 ? "P" : std::to_string(p.parameter_rows);
  text = fmt::format("[{}], [1, {}] or [{}, {}]", columns, columns, rows, columns);
  if (scalars) text = fmt::format("{}, [1], [{}] or [{}, 1]", text.replace(text.find(" or"), 3, ","), rows, rows);
  return text + (p.grouping == Grouping::kCounts ? ": a row for each element of group_index, or one for all"
                                                 : ": P parameter rows, or one for all");
}

// Reads the layout of `t`, of whose rows each has `columns` numbers or, where `scalars` may be, one. The first table of
// two dimensions fixes how many parameter rows pairs can name.
Status ReadTable(NamedTensor t, int64_t columns, bool scalars, Problem* p, Table* table) {
  const ConstTensorView& v = t.tensor;
  const int64_t bytes = ByteSize(v.dtype());
  bool per_row = false, known = false;
  if (v.rank() == 1) {
    const int64_t n = v.shape(0);
    // One number for each parameter row. Of pairs nothing says how many there are but the tables of two dimensions.
    per_row = scalars && n == p->parameter_rows &&
              (p->grouping == Grouping::kCounts || (p->grouping == Grouping::kPairs && n != columns));
    table->one_for_all_columns = per_row || (scalars && n == 1);
    known = table->one_for_all_columns || n == columns;
    table->rows = per_row ? n : 1;
    table->row_stride = per_row ? v.stride(0) * bytes : 0;
  } else if (v.rank() == 2) {
    table->one_for_all_columns = scalars && v.shape(1) == 1;
    table->rows = v.shape(0);
    table->row_stride = v.stride(0) * bytes;
    known = table->one_for_all_columns || v.shape(1) == columns;
    known = known && (table->rows == 1 ||
                      (p->grouping != Grouping::kNone && (p->parameter_rows < 0 || table->rows == p->parameter_rows)));
  }
  if (!known) {
    return Invalid("{} has shape {}, expected {}", t.name, ShapeText(v.shape()), Expected(*p, columns, scalars));
  }
  table->step = table->one_for_all_columns ? 0 : v.stride(-1) * bytes;
  table->present = true;
  table->data = static_cast<const char*>(v.data());
  table->dtype = v.dtype();
  return {};
}

Status OnlyForInt32(NamedTensor t, DType x) {
  if (!t.tensor.present() || x == DType::kInt32) return {};
  return Invalid("{} was given, but x is {}: it is for int32", t.name, Name(x));
}

// What all tables but scalars of pairs say about the number of parameter rows.
void FixParameterRows(std::initializer_list<const ConstTensorView*> tables, Problem* p) {
  if (p->grouping != Grouping::kPairs) return;
  for (const ConstTensorView* t : tables) {
    if (t->rank() == 2 && t->shape(0) > p->parameter_rows) p->parameter_rows = t->shape(0);
  }
}

}  // namespace

ConstTensorView HalfOf(const ConstTensorView& x) {
  int64_t shape[kMaxRank];
  for (int d = 0; d < x.rank(); ++d) shape[d] = x.shape(d);
  shape[x.rank() - 1] /= 2;
  return {x.data(), x.dtype(), std::span<const int64_t>(shape, static_cast<size_t>(x.rank())), x.strides()};
}

Status CheckInputs(const DequantSwigluQuantArgs& a, Problem* p) {
  KVANT_RETURN_IF_ERROR(CheckX(a.x));
  KVANT_RETURN_IF_ERROR(CheckAttributes(a, &p->attributes));
  KVANT_RETURN_IF_ERROR(CheckGroupIndex(a.group_index, p));
  p->columns = a.x.shape(-1) / 2;
  p->rows = 1;
  for (int d = 0; d + 1 < a.x.rank(); ++d) p->rows *= a.x.shape(d);

  const NamedTensor weight = {"weight_scale", a.weight_scale}, activation = {"activation_scale", a.activation_scale},
                    bias = {"bias", a.bias}, scale = {"quant_scale", a.quant_scale},
                    offset = {"quant_offset", a.quant_offset};
  for (const NamedTensor& t : {weight, activation, bias}) KVANT_RETURN_IF_ERROR(OnlyForInt32(t, a.x.dtype()));
  for (const NamedTensor& t : {weight, activation, bias, scale, offset}) {
    if (t.tensor.present()) KVANT_RETURN_IF_ERROR(CheckPresent(kOp, t));
  }
  for (const NamedTensor& t : {weight, activation}) {
    if (t.tensor.present() && t.tensor.dtype() != DType::kFloat32) {
      return InvalidDtype("{} is {}, expected float32", t.name, Name(t.tensor.dtype()));
    }
  }
  if (a.bias.present() && a.bias.dtype() != DType::kInt32 && !IsFloat(a.bias.dtype())) {
    return InvalidDtype("bias is {}, expected int32, float16, bfloat16 or float32", Name(a.bias.dtype()));
  }
  if (a.quant_offset.present() && a.quant_mode == ScaleSource::kDynamic) {
    return Invalid("quant_offset was given, but quant_mode is dynamic: it is for static");
  }
  for (const NamedTensor& t : {scale, offset}) {
    if (t.tensor.present()) KVANT_RETURN_IF_ERROR(CheckFloat(kOp, t));
  }

  FixParameterRows({&a.weight_scale, &a.bias, &a.quant_scale, &a.quant_offset}, p);
  const auto read = [p](const NamedTensor& t, int64_t columns, bool scalars, Table* table) {
    return t.tensor.present() ? ReadTable(t, columns, scalars, p, table) : Status();
  };
  KVANT_RETURN_IF_ERROR(read(weight, 2 * p->columns, false, &p->weight_scale));
  KVANT_RETURN_IF_ERROR(read(bias, 2 * p->columns, false, &p->bias));
  KVANT_RETURN_IF_ERROR(read(scale, p->columns, true, &p->quant_scale));
  KVANT_RETURN_IF_ERROR(read(offset, p->columns, true, &p->quant_offset));
  if (a.activation_scale.present() && a.activation_scale.elements() != p->rows) {
    return Invalid("activation_scale has shape {}, expected {} elements: one for each row of x",
                   ShapeText(a.activation_scale.shape()), p->rows);
  }
  return {};
}

Status CheckOutputs(const DequantSwigluQuantArgs& a, Device device) {
  const ConstTensorView half = HalfOf(a.x), y = a.y, scale = a.scale;
  KVANT_RETURN_IF_ERROR(CheckCodes(kOp, {"y", y}, half, a.dst_type));
  KVANT_RETURN_IF_ERROR(CheckSpec(kOp, {"scale", scale}, ParamSpec(half, QuantMode::kPerToken, 0)));
  return CheckOverlap(kOp, {{"y", y}, {"scale", scale}},
                      {{"x", a.x},
                       {"weight_scale", a.weight_scale},
                       {"activation_scale", a.activation_scale},
                       {"bias", a.bias},
                       {"quant_scale", a.quant_scale},
                       {"quant_offset", a.quant_offset},
                       {"group_index", a.group_index}},
                      device);
}

}  // namespace kvant::swiglu
