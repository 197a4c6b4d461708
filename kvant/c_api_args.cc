#include "kvant/c_api_args.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <string>
#include <utility>

#include "kvant/core/enumerators.h"
#include "kvant/core/version.h"
#include "kvant/rowwise/rules.h"

namespace kvant::c_api {
namespace {

struct TypeRow {
  uint8_t code, bits;
  DType dtype;
};
constexpr TypeRow kTypes[] = {
    {kDLFloat, 16, DType::kFloat16},
    {kDLBfloat, 16, DType::kBFloat16},
    {kDLFloat, 32, DType::kFloat32},
    {kDLInt, 8, DType::kInt8},
    {kDLUInt, 8, DType::kUInt8},
    {kDLInt, 32, DType::kInt32},
    {kDLInt, 64, DType::kInt64},
    {kDLFloat8_e4m3fn, 8, DType::kFloat8E4M3FN},
    {kDLFloat8_e5m2, 8, DType::kFloat8E5M2},
};

// "float64", "int4x2": what DLPack's users call a type.
std::string TypeText(DLDataType t) {
  constexpr std::string_view kNames[] = {"int",
                                         "uint",
                                         "float",
                                         "handle",
                                         "bfloat",
                                         "complex",
                                         "bool",
                                         "float8_e3m4",
                                         "float8_e4m3",
                                         "float8_e4m3b11fnuz",
                                         "float8_e4m3fn",
                                         "float8_e4m3fnuz",
                                         "float8_e5m2",
                                         "float8_e5m2fnuz",
                                         "float8_e8m0fnu",
                                         "float6_e2m3fn",
                                         "float6_e3m2fn",
                                         "float4_e2m1fn"};
  std::string text(t.code < std::size(kNames) ? kNames[t.code] : "unknown");
  if (t.code < kDLBool) text += std::to_string(t.bits);  // the others have their size in the name
  if (t.lanes != 1) text += "x" + std::to_string(t.lanes);
  return text;
}

// Whether the numbers of elements and the distances between them fit in 64 bits, with room to add some up. Extents of 1
// do not count.
bool Fits(const DLTensor& t, int64_t element_bytes) {
  constexpr int64_t kLimit = int64_t{1} << 56;
  int64_t bytes = element_bytes, span = element_bytes;
  for (int d = 0; d < t.ndim; ++d) {
    if (t.shape[d] <= 1) continue;
    if (__builtin_mul_overflow(bytes, t.shape[d], &bytes) || bytes > kLimit) return false;
    if (t.strides == nullptr) continue;
    int64_t step = 0;
    if (__builtin_mul_overflow(t.strides[d], (t.shape[d] - 1) * element_bytes, &step)) return false;
    if (step < -kLimit || step > kLimit) return false;
    span += step < 0 ? -step : step;
    if (span > kLimit) return false;
  }
  return true;
}

QuantMode ReadMode(ArgReader& read, int32_t mode) { return read.Choice<QuantMode>("quant_mode", mode); }

}  // namespace

void ArgReader::Fail(Status status) {
  if (ok()) status_ = std::move(status);
}

void ArgReader::FailNull() { Fail(Status::InvalidValue(fmt::format("{}: the argument struct is NULL", op_))); }

void ArgReader::CheckSize(std::string_view prefix, size_t size, size_t known, const void* args) {
  if (size < known) {
    return Fail(Status::InvalidValue(fmt::format(
        "{}: {}struct_size is {}, expected {}: initialize the struct with its _INIT macro", op_, prefix, size, known)));
  }
  const auto* bytes = static_cast<const unsigned char*>(args);
  for (size_t i = known; i < size; ++i) {
    if (bytes[i] != 0) {
      return Fail(Status::InvalidValue(fmt::format(
          "{}: {}struct_size is {}, and a field beyond the {} bytes that version " KVANT_VERSION_STRING " knows is set",
          op_, prefix, size, known)));
    }
  }
}

int32_t ArgReader::CheckChoice(std::string_view name, int32_t value, int32_t first, int32_t last) {
  if (Status status = CheckNumber(op_, name, value, first, last); !status.ok()) {
    Fail(std::move(status));
    return first;
  }
  return value;
}

DType ArgReader::Type(std::string_view name, DLDataType t) {
  for (const TypeRow& row : kTypes) {
    if (row.code == t.code && row.bits == t.bits && t.lanes == 1) return row.dtype;
  }
  std::string expected;
  for (const TypeRow& row : kTypes) expected += fmt::format("{}{}", expected.empty() ? "" : ", ", Name(row.dtype));
  const bool int4 = t.code <= kDLUInt && t.bits == 4;
  Fail(Status::InvalidType(fmt::format("{}: {} is {} (DLPack code {}, bits {}, lanes {}), expected one of {}{}", op_,
                                       name, TypeText(t), t.code, t.bits, t.lanes, expected,
                                       int4 ? "; INT4 is packed into uint8 or int32" : "")));
  return DType::kFloat32;
}

TensorView ArgReader::Tensor(std::string_view name, const DLTensor* t) {
  if (t == nullptr || !ok()) return {};
  const auto invalid = [&](std::string_view problem) {
    Fail(Status::InvalidValue(fmt::format("{}: {} {}", op_, name, problem)));
    return TensorView();
  };
  const DType dtype = Type(name, t->dtype);
  if (!ok()) return {};
  const int device = t->device.device_type;
  if (device_ == Device::kCuda) {
    if (device != kDLCUDA) {
      return invalid(
          fmt::format("is on a device of DLPack type {}, expected memory of a CUDA device: {}", device, int{kDLCUDA}));
    }
  } else if (device != kDLCPU && device != kDLCUDAHost && device != kDLROCMHost) {
    return invalid(fmt::format("is on a device of DLPack type {}, expected memory of the host: {}, or pinned {} and {}",
                               device, int{kDLCPU}, int{kDLCUDAHost}, int{kDLROCMHost}));
  }
  if (t->ndim < 0 || t->ndim > kMaxRank) {
    return invalid(fmt::format("has {} dimensions, expected 0 to {}", t->ndim, kMaxRank));
  }
  if (t->ndim > 0 && t->shape == nullptr) return invalid(fmt::format("has {} dimensions but no shape", t->ndim));

  const std::span<const int64_t> shape(t->shape, static_cast<size_t>(t->ndim));
  const bool empty = std::any_of(shape.begin(), shape.end(), [](int64_t extent) { return extent <= 0; });
  if (!empty && !Fits(*t, ByteSize(dtype))) {
    return invalid(fmt::format("has shape {}: counts and distances of elements above 2^56 bytes are not supported",
                               ShapeText(shape)));
  }
  char* data = static_cast<char*>(t->data);
  if (data != nullptr) data += t->byte_offset;
  if (!empty && reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(ByteSize(dtype)) != 0) {
    return invalid(fmt::format("is not aligned: its address is {}, expected a multiple of {}, the size of {}",
                               static_cast<void*>(data), ByteSize(dtype), Name(dtype)));
  }
  const auto there = [this](TensorView view) {
    view.set_device(device_);
    return view;
  };
  if (t->strides == nullptr || empty) return there({data, dtype, shape});
  // Where an extent is 1 the stride may be any number, even one whose multiples overflow.
  int64_t strides[kMaxRank];
  for (int d = 0; d < t->ndim; ++d) strides[d] = t->shape[d] == 1 ? 1 : t->strides[d];
  return there({data, dtype, shape, std::span<const int64_t>(strides, shape.size())});
}

void ArgReader::ExpectAbsent(std::string_view name, const DLTensor* t, std::string_view why) {
  if (t != nullptr) Fail(Status::InvalidValue(fmt::format("{}: {} was given, but {}", op_, name, why)));
}

ExecOptions ArgReader::Exec(const kvant_exec* exec, ParallelFor* parallel) {
  if (exec == nullptr || !ok()) return {};
  CheckSize("exec.", exec->struct_size, sizeof(kvant_exec), exec);
  if (!ok()) return {};
  ExecOptions options;
  options.stores = Choice<Stores>("exec.stores", exec->stores);
  options.workspace = exec->workspace;
  options.workspace_bytes = exec->workspace_bytes;
  constexpr size_t kAlignment = alignof(std::max_align_t);
  if (reinterpret_cast<uintptr_t>(exec->workspace) % kAlignment != 0) {
    Fail(Status::InvalidValue(fmt::format("{}: exec.workspace is not aligned to {} bytes", op_, kAlignment)));
  }
  if (exec->parallel == nullptr) return options;

  const kvant_parallel_for& pool = *exec->parallel;
  if (pool.num_threads < 1) {
    Fail(Status::InvalidValue(
        fmt::format("{}: exec.parallel.num_threads is {}, expected at least 1", op_, pool.num_threads)));
  } else if (pool.num_threads > 1 && pool.run == nullptr) {
    Fail(Status::InvalidValue(
        fmt::format("{}: exec.parallel.num_threads is {}, but exec.parallel.run is NULL", op_, pool.num_threads)));
  }
  *parallel = pool.run == nullptr ? SerialFor() : ParallelFor{pool.num_threads, pool.pool, pool.run};
  options.parallel = parallel;
  return options;
}

DLDataType ToDLPack(DType dtype) {
  for (const TypeRow& row : kTypes) {
    if (row.dtype == dtype) return {row.code, row.bits, 1};
  }
  return {};
}

Format ReadFormat(ArgReader& read, int32_t dst_type) { return read.Choice<Format>("dst_type", dst_type); }

DynamicQuantArgs Convert(ArgReader& read, const kvant_dynamic_quant_args& a) {
  return {.x = read.Tensor("x", a.x),
          .smooth_scales = read.Tensor("smooth_scales", a.smooth_scales),
          .group_index = read.Tensor("group_index", a.group_index),
          .dst_type = ReadFormat(read, a.dst_type),
          .symmetric = read.Choice("symmetric", a.symmetric, true),
          .quant_mode = ReadMode(read, a.quant_mode),
          .group_size = a.group_size,
          .dst_type_max = a.dst_type_max,
          .y = read.Tensor("y", a.y),
          .scale = read.Tensor("scale", a.scale),
          .offset = read.Tensor("offset", a.offset)};
}

RowStatsArgs Convert(ArgReader& read, const kvant_row_stats_args& a) {
  return {.x = read.Tensor("x", a.x),
          .smooth_scales = read.Tensor("smooth_scales", a.smooth_scales),
          .group_index = read.Tensor("group_index", a.group_index),
          .quant_mode = ReadMode(read, a.quant_mode),
          .group_size = a.group_size,
          .min = read.Tensor("min", a.min),
          .max = read.Tensor("max", a.max),
          .amax = read.Tensor("amax", a.amax)};
}

ParamsFromAmaxArgs Convert(ArgReader& read, const kvant_params_from_amax_args& a) {
  return {.amax = read.Tensor("amax", a.amax),
          .dst_type = ReadFormat(read, a.dst_type),
          .dst_type_max = a.dst_type_max,
          .scale = read.Tensor("scale", a.scale)};
}

ParamsFromMinMaxArgs Convert(ArgReader& read, const kvant_params_from_minmax_args& a) {
  return {.min = read.Tensor("min", a.min),
          .max = read.Tensor("max", a.max),
          .dst_type = ReadFormat(read, a.dst_type),
          .dst_type_max = a.dst_type_max,
          .scale = read.Tensor("scale", a.scale),
          .offset = read.Tensor("offset", a.offset)};
}

QuantizeWithParamsArgs Convert(ArgReader& read, const kvant_quantize_with_params_args& a) {
  return {.x = read.Tensor("x", a.x),
          .scale = read.Tensor("scale", a.scale),
          .offset = read.Tensor("offset", a.offset),
          .smooth_scales = read.Tensor("smooth_scales", a.smooth_scales),
          .group_index = read.Tensor("group_index", a.group_index),
          .dst_type = ReadFormat(read, a.dst_type),
          .quant_mode = ReadMode(read, a.quant_mode),
          .group_size = a.group_size,
          .y = read.Tensor("y", a.y)};
}

QuantizeArgs Convert(ArgReader& read, const kvant_quantize_args& a) {
  return {.x = read.Tensor("x", a.x),
          .quant_scales = read.Tensor("quant_scales", a.quant_scales),
          .quant_zero_points = read.Tensor("quant_zero_points", a.quant_zero_points),
          .dst_type = ReadFormat(read, a.dst_type),
          .axis = a.axis,
          .reciprocal_scale = read.Choice("reciprocal_scale", a.reciprocal_scale, true),
          .round_mode = read.Choice<RoundMode>("round_mode", a.round_mode),
          .y = read.Tensor("y", a.y)};
}

DequantizeArgs Convert(ArgReader& read, const kvant_dequantize_args& a) {
  return {.y = read.Tensor("y", a.y),
          .scale = read.Tensor("scale", a.scale),
          .offset = read.Tensor("offset", a.offset),
          .dst_type = ReadFormat(read, a.dst_type),
          .quant_mode = ReadMode(read, a.quant_mode),
          .group_size = a.group_size,
          .negate_offset = read.Choice("negate_offset", a.negate_offset, true),
          .x = read.Tensor("x", a.x)};
}

PackInt4Args Convert(ArgReader& read, const kvant_pack_int4_args& a) {
  return {.codes = read.Tensor("codes", a.codes), .packed = read.Tensor("packed", a.packed)};
}

UnpackInt4Args Convert(ArgReader& read, const kvant_unpack_int4_args& a) {
  return {.packed = read.Tensor("packed", a.packed), .codes = read.Tensor("codes", a.codes)};
}

}  // namespace kvant::c_api
