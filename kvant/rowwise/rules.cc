#include "kvant/rowwise/rules.h"

#include <fmt/core.h>

#include <cmath>
#include <string>

#include "kvant/core/enumerators.h"
#include "kvant/core/overlap.h"
#include "kvant/numerics/fp_env.h"

namespace kvant {
namespace {

Status CheckRank(std::string_view op, NamedTensor t) {
  if (t.tensor.rank() == ConstTensorView::kMismatched) {
    return Status::InvalidValue(
        fmt::format("{}: {} has {} dimensions, but {} strides", op, t.name, t.tensor.shape(0), t.tensor.stride(0)));
  }
  if (t.tensor.rank() > kMaxRank) {
    return Status::InvalidValue(
        fmt::format("{}: {} has {} dimensions, at most {} are supported", op, t.name, t.tensor.rank(), kMaxRank));
  }
  for (int d = 0; d < t.tensor.rank(); ++d) {
    if (t.tensor.shape(d) < 0) {
      return Status::InvalidValue(
          fmt::format("{}: {}.shape[{}] is {}, a size cannot be negative", op, t.name, d, t.tensor.shape(d)));
    }
  }
  if (CanBeCounted(t.tensor.shape())) return {};
  return Status::InvalidValue(
      fmt::format("{}: {} has shape {}, at most 2^52 elements are supported", op, t.name, ShapeText(t.tensor.shape())));
}

Status CheckSmooth(const RowwiseInputs& in) {
  const ConstTensorView& smooth = in.smooth_scales;
  const ConstTensorView& groups = in.group_index;
  const bool per_channel = in.quant_mode == QuantMode::kPerChannel;
  if (groups.present()) {
    KVANT_RETURN_IF_ERROR(CheckPresent(in.op, {"group_index", groups}));
    KVANT_RETURN_IF_ERROR(CheckIndex(in.op, {"group_index", groups}));
    if (groups.rank() != 1) {
      return Status::InvalidValue(
          fmt::format("{}: group_index has shape {}, expected one dimension", in.op, ShapeText(groups.shape())));
    }
    if (per_channel) {
      return Status::InvalidValue(fmt::format("{}: group_index cannot be used with quant_mode perchannel", in.op));
    }
    if (!smooth.present()) {
      return Status::InvalidValue(
          fmt::format("{}: group_index needs smooth_scales of shape [{}, {}]", in.op, groups.shape(0), in.x.shape(-1)));
    }
  }
  if (!smooth.present()) return {};
  KVANT_RETURN_IF_ERROR(CheckPresent(in.op, {"smooth_scales", smooth}));
  KVANT_RETURN_IF_ERROR(CheckFloat(in.op, {"smooth_scales", smooth}));
  const int64_t length = in.x.shape(per_channel ? -2 : -1);
  if (groups.present()) {
    if (smooth.rank() != 2 || smooth.shape(0) != groups.shape(0) || smooth.shape(1) != length) {
      return Status::InvalidValue(
          fmt::format("{}: smooth_scales has shape {}, expected [{}, {}]: a row for each element of group_index, a "
                      "column for each of x",
                      in.op, ShapeText(smooth.shape()), groups.shape(0), length));
    }
  } else if (smooth.rank() == 2 && !per_channel && in.has_groups) {
    return Status::InvalidValue(
        fmt::format("{}: smooth_scales has shape {}, which needs a group_index; without one it is [{}]", in.op,
                    ShapeText(smooth.shape()), length));
  } else if (smooth.rank() != 1 || smooth.shape(0) != length) {
    return Status::InvalidValue(fmt::format("{}: smooth_scales has shape {}, expected [{}] to match {}.shape[{}]",
                                            in.op, ShapeText(smooth.shape()), length, in.x_name,
                                            per_channel ? -2 : -1));
  }
  return {};
}

Status Shares(std::string_view op, NamedTensor a, NamedTensor b) {
  if (!Overlaps(a.tensor, b.tensor)) return {};
  return Status::InvalidValue(fmt::format("{}: {} and {} share memory", op, a.name, b.name));
}

}  // namespace

std::string ShapeText(std::span<const int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += fmt::format("{}{}", i == 0 ? "" : ", ", shape[i]);
  return text + "]";
}

Status DescribeAbsence(std::string_view op, NamedTensor t) {
  if (!t.tensor.present()) return Status::InvalidValue(fmt::format("{}: {} is missing", op, t.name));
  KVANT_RETURN_IF_ERROR(CheckRank(op, t));
  if (t.tensor.data() == nullptr && t.tensor.elements() != 0) {
    return Status::InvalidValue(
        fmt::format("{}: {} has shape {} but no memory", op, t.name, ShapeText(t.tensor.shape())));
  }
  return {};
}

Status CheckFloat(std::string_view op, NamedTensor t) {
  if (IsFloat(t.tensor.dtype())) return {};
  return Status::InvalidType(
      fmt::format("{}: {} is {}, expected float16, bfloat16 or float32", op, t.name, Name(t.tensor.dtype())));
}

Status CheckIndex(std::string_view op, NamedTensor t) {
  if (IsIndex(t.tensor.dtype())) return {};
  return Status::InvalidType(fmt::format("{}: {} is {}, expected int32 or int64", op, t.name, Name(t.tensor.dtype())));
}

Status CheckInputs(const RowwiseInputs& in) {
  KVANT_RETURN_IF_ERROR(CheckPresent(in.op, {in.x_name, in.x}));
  KVANT_RETURN_IF_ERROR(CheckFloat(in.op, {in.x_name, in.x}));
  KVANT_RETURN_IF_ERROR(CheckEnumerator(in.op, "quant_mode", in.quant_mode));
  if (in.x.rank() < 1) return Status::InvalidValue(fmt::format("{}: x has no dimensions, expected at least 1", in.op));
  if (in.quant_mode == QuantMode::kPerChannel && in.x.rank() < 2) {
    return Status::InvalidValue(fmt::format("{}: x has shape {}, quant_mode perchannel needs at least 2 dimensions",
                                            in.op, ShapeText(in.x.shape())));
  }
  if (in.group_size != 0) {
    if (in.quant_mode != QuantMode::kPerToken) {
      return Status::InvalidValue(fmt::format("{}: group_size is {}, but quant_mode is {}: groups are for pertoken",
                                              in.op, in.group_size, Name(in.quant_mode)));
    }
    if (in.group_size < 0 || in.x.shape(-1) % in.group_size != 0) {
      return Status::InvalidValue(fmt::format("{}: group_size is {}, which does not divide {}.shape[-1] = {}", in.op,
                                              in.group_size, in.x_name, in.x.shape(-1)));
    }
  }
  if (in.smooth_scales.present() || in.group_index.present()) return CheckSmooth(in);
  return {};
}

Status CheckFormat(const RowwiseInputs& in, Format format) {
  KVANT_RETURN_IF_ERROR(CheckEnumerator(in.op, "dst_type", format));
  if (in.group_size != 0 && !IsInteger(format)) {
    return Status::InvalidValue(fmt::format("{}: group_size is {}, but dst_type is {}: groups are for int8 and int4",
                                            in.op, in.group_size, Name(format)));
  }
  if (format == Format::kInt4 && in.group_size % 2 != 0) {
    return Status::InvalidValue(
        fmt::format("{}: group_size is {}, int4 packs pairs and needs an even one", in.op, in.group_size));
  }
  if (format == Format::kInt4 && in.x.shape(-1) % 2 != 0) {
    return Status::InvalidValue(fmt::format("{}: {}.shape[-1] is {}, int4 packs pairs and needs an even one", in.op,
                                            in.x_name, in.x.shape(-1)));
  }
  return {};
}

Status CheckDstTypeMax(std::string_view op, Format format, double dst_type_max, float* d) {
  KVANT_RETURN_IF_ERROR(CheckEnumerator(op, "dst_type", format));
  *d = Info(format).d;
  if (dst_type_max == 0) return {};
  if (format != Format::kHiFloat8) {
    return Status::InvalidValue(
        fmt::format("{}: dst_type_max is {}, but dst_type is {}: it is for hifloat8", op, dst_type_max, Name(format)));
  }
  const FpEnv env(FpEnv::kDefault);  // the caller's state does not reach the rounding of an attribute
  const float max = static_cast<float>(dst_type_max);
  if (!(max >= 0 && max <= 32768.0f)) {
    return Status::InvalidValue(fmt::format("{}: dst_type_max is {}, expected 0 to 32768", op, dst_type_max));
  }
  if (max >= 1e-6f) *d = max;
  return {};
}

TensorSpec SpecOf(const ConstTensorView& t) {
  TensorSpec spec;
  spec.dtype = t.dtype();
  for (const int64_t extent : t.shape()) spec.shape[spec.rank++] = extent;
  return spec;
}

TensorSpec ParamSpec(const ConstTensorView& x, QuantMode mode, int64_t group_size) {
  TensorSpec spec;
  switch (mode) {
    case QuantMode::kPerTensor:
      spec.rank = 1;
      spec.shape[0] = 1;
      break;
    case QuantMode::kPerToken:
      for (int d = 0; d + 1 < x.rank(); ++d) spec.shape[spec.rank++] = x.shape(d);
      if (group_size != 0) spec.shape[spec.rank++] = x.shape(-1) / group_size;
      break;
    case QuantMode::kPerChannel:
      for (int d = 0; d < x.rank(); ++d) {
        if (d != x.rank() - 2) spec.shape[spec.rank++] = x.shape(d);
      }
      break;
  }
  return spec;
}

TensorSpec CodeSpec(const ConstTensorView& x, Format format, DType storage) {
  TensorSpec spec;
  spec.dtype = storage;
  for (int d = 0; d < x.rank(); ++d) spec.shape[spec.rank++] = x.shape(d);
  spec.shape[spec.rank - 1] /= CodesPerElement(format, storage);
  return spec;
}

Status CheckSpec(std::string_view op, NamedTensor t, const TensorSpec& spec) {
  KVANT_RETURN_IF_ERROR(CheckPresent(op, t));
  if (t.tensor.dtype() != spec.dtype) {
    return Status::InvalidType(
        fmt::format("{}: {} is {}, expected {}", op, t.name, Name(t.tensor.dtype()), Name(spec.dtype)));
  }
  const auto shape = t.tensor.shape(), wanted = spec.dims();
  if (!std::equal(shape.begin(), shape.end(), wanted.begin(), wanted.end())) {
    return Status::InvalidValue(
        fmt::format("{}: {} has shape {}, expected {}", op, t.name, ShapeText(shape), ShapeText(wanted)));
  }
  return {};
}

Status CheckStorage(std::string_view op, NamedTensor t, Format format) {
  KVANT_RETURN_IF_ERROR(CheckEnumerator(op, "dst_type", format));
  if (StorageAllowed(format, t.tensor.dtype())) return {};
  std::string storages(Name(StorageType(format)));
  for (const DType other : {DType::kUInt8, DType::kInt32}) {
    if (other != StorageType(format) && StorageAllowed(format, other)) storages += fmt::format(" or {}", Name(other));
  }
  return Status::InvalidType(fmt::format("{}: {} is {}, but codes of {} are stored as {}", op, t.name,
                                         Name(t.tensor.dtype()), Name(format), storages));
}

Status CheckCodes(std::string_view op, NamedTensor codes, const ConstTensorView& x, Format format) {
  KVANT_RETURN_IF_ERROR(CheckPresent(op, codes));
  KVANT_RETURN_IF_ERROR(CheckStorage(op, codes, format));
  const DType storage = codes.tensor.dtype();
  const int64_t per_element = CodesPerElement(format, storage);
  if (x.shape(-1) % per_element != 0) {
    return Status::InvalidValue(fmt::format("{}: x.shape[-1] is {}, but {} holds {} codes of {} in an element", op,
                                            x.shape(-1), Name(storage), per_element, Name(format)));
  }
  KVANT_RETURN_IF_ERROR(CheckSpec(op, codes, CodeSpec(x, format, storage)));
  if (per_element > 1 && codes.tensor.shape(-1) > 1 && codes.tensor.stride(-1) != 1) {
    return Status::InvalidValue(fmt::format("{}: {} has stride {} in its packed last dimension, expected 1", op,
                                            codes.name, codes.tensor.stride(-1)));
  }
  return {};
}

Status CheckDevice(std::string_view op, std::initializer_list<NamedTensor> tensors, Device device) {
  for (const NamedTensor& t : tensors) {
    if (!t.tensor.present() || t.tensor.device() == device) continue;
    return Status::InvalidValue(device == Device::kCpu
                                    ? fmt::format("{}: {} is on a CUDA device, expected a CPU tensor", op, t.name)
                                    : fmt::format("{}: {} is on the CPU, expected a CUDA tensor", op, t.name));
  }
  return {};
}

Status CheckOverlap(std::string_view op, std::initializer_list<NamedTensor> outputs,
                    std::initializer_list<NamedTensor> inputs, Device device) {
  KVANT_RETURN_IF_ERROR(CheckDevice(op, inputs, device));
  KVANT_RETURN_IF_ERROR(CheckDevice(op, outputs, device));
  constexpr int kMost = 24;  // no operator has as many
  if (inputs.size() + outputs.size() > kMost) return Status::InvalidValue(fmt::format("{}: too many tensors", op));
  const NamedTensor* tensors[kMost];
  ByteSpan spans[kMost];
  int count = 0;
  for (const NamedTensor& in : inputs) {
    if (!in.tensor.present()) continue;
    tensors[count] = &in;
    spans[count++] = BytesOf(in.tensor);
  }
  for (const NamedTensor& out : outputs) {
    const ConstTensorView& t = out.tensor;
    if (!t.present()) continue;
    const ByteSpan span = BytesOf(t);
    if (!span.steps_outward && OverlapsItself(t)) {
      return Status::InvalidValue(fmt::format("{}: elements of {} share memory: shape {}, strides {}", op, out.name,
                                              ShapeText(t.shape()), ShapeText(t.strides())));
    }
    for (int i = 0; i < count; ++i) {
      if (span.Meets(spans[i])) KVANT_RETURN_IF_ERROR(Shares(op, *tensors[i], out));
    }
    tensors[count] = &out;
    spans[count++] = span;
  }
  return {};
}

}  // namespace kvant
