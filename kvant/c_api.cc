#include "kvant/c_api.h"

#include <cstddef>
#include <new>
#include <string>
#include <vector>

#include "kvant/c_api_args.h"
#include "kvant/c_api_call.h"
#include "kvant/kvant.h"

namespace kvant::c_api {
namespace {

template <class Enum>
constexpr bool Same(int c, Enum cpp) {
  return c == static_cast<int>(cpp);
}
static_assert(Same(KVANT_OK, StatusCode::kOk) && Same(KVANT_INVALID_VALUE, StatusCode::kInvalidValue) &&
              Same(KVANT_INVALID_TYPE, StatusCode::kInvalidType) && Same(KVANT_OUT_OF_RANGE, StatusCode::kOutOfRange) &&
              Same(KVANT_UNAVAILABLE, StatusCode::kUnavailable) && Same(KVANT_OUT_OF_MEMORY, StatusCode::kOutOfMemory));
static_assert(Same(KVANT_INT8, Format::kInt8) && Same(KVANT_INT4, Format::kInt4) &&
              Same(KVANT_FLOAT8_E4M3FN, Format::kFloat8E4M3FN) && Same(KVANT_FLOAT8_E5M2, Format::kFloat8E5M2) &&
              Same(KVANT_HIFLOAT8, Format::kHiFloat8) && KVANT_HIFLOAT8 + 1 == kNumFormats);
static_assert(Same(KVANT_PER_TOKEN, QuantMode::kPerToken) && Same(KVANT_PER_TENSOR, QuantMode::kPerTensor) &&
              Same(KVANT_PER_CHANNEL, QuantMode::kPerChannel));
static_assert(Same(KVANT_ROUND_RINT, RoundMode::kRint) && Same(KVANT_ROUND_AWAY, RoundMode::kRound) &&
              Same(KVANT_ROUND_HYBRID, RoundMode::kHybrid));
static_assert(Same(KVANT_STORES_AUTO, Stores::kAuto) && Same(KVANT_STORES_NORMAL, Stores::kNormal) &&
              Same(KVANT_STORES_STREAMING, Stores::kStreaming));
static_assert(KVANT_MAX_NDIM == kMaxRank);

// Padding at the end would be memory that a later field lies in and that callers of today do not set.
static_assert(sizeof(kvant_exec) == offsetof(kvant_exec, workspace_bytes) + sizeof(size_t));
static_assert(sizeof(kvant_dynamic_quant_args) == offsetof(kvant_dynamic_quant_args, offset) + sizeof(void*));
static_assert(sizeof(kvant_row_stats_args) == offsetof(kvant_row_stats_args, amax) + sizeof(void*));
static_assert(sizeof(kvant_params_from_amax_args) == offsetof(kvant_params_from_amax_args, scale) + sizeof(void*));
static_assert(sizeof(kvant_params_from_minmax_args) == offsetof(kvant_params_from_minmax_args, offset) + sizeof(void*));
static_assert(sizeof(kvant_quantize_with_params_args) == offsetof(kvant_quantize_with_params_args, y) + sizeof(void*));
static_assert(sizeof(kvant_quantize_args) == offsetof(kvant_quantize_args, y) + sizeof(void*));
static_assert(sizeof(kvant_dequantize_args) == offsetof(kvant_dequantize_args, x) + sizeof(void*));
static_assert(sizeof(kvant_pack_int4_args) == offsetof(kvant_pack_int4_args, packed) + sizeof(void*));
static_assert(sizeof(kvant_unpack_int4_args) == offsetof(kvant_unpack_int4_args, codes) + sizeof(void*));

// The message of the last failure of this thread, unless it is a fixed one.
thread_local std::string last_error;
thread_local const char* fixed_error = nullptr;

const char* NameOf(Target target) { return Name(target).data(); }  // of a literal

}  // namespace

kvant_status Report(const Status& status) {
  if (status.ok()) return KVANT_OK;
  last_error = status.message();
  fixed_error = nullptr;
  return static_cast<kvant_status>(status.code());
}

kvant_status ReportException() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    fixed_error = "kvant: out of memory";
    return KVANT_OUT_OF_MEMORY;
  } catch (...) {
    fixed_error = "kvant: unexpected exception";
    return KVANT_UNAVAILABLE;
  }
}

// Declared in c_api.h at global scope: with C linkage the namespace of a definition does not matter.
extern "C" {

kvant_status kvant_dynamic_quant(const kvant_dynamic_quant_args* args, const kvant_exec* exec) {
  return Call("dynamic_quant", args, exec, DynamicQuant);
}

kvant_status kvant_infer_dynamic_quant(const kvant_dynamic_quant_args* args, kvant_tensor_spec* y,
                                       kvant_tensor_spec* scale, kvant_tensor_spec* offset) {
  using A = kvant_dynamic_quant_args;
  return CallInfer(
      "dynamic_quant", args,
      [=](ArgReader&, const DynamicQuantArgs& a) -> Status {
        DynamicQuantOutputs outputs;
        KVANT_RETURN_IF_ERROR(InferDynamicQuant(a, &outputs));
        Store(outputs.y, y);
        Store(outputs.scale, scale);
        Store(outputs.offset, offset);
        return {};
      },
      &A::y, &A::scale, &A::offset);
}

kvant_status kvant_row_minmax(const kvant_row_stats_args* args, const kvant_exec* exec) {
  return Call("row_minmax", args, exec, RowMinMax);
}

kvant_status kvant_row_amax(const kvant_row_stats_args* args, const kvant_exec* exec) {
  return Call("row_amax", args, exec, RowAmax);
}

kvant_status kvant_infer_row_stats(const kvant_row_stats_args* args, kvant_tensor_spec* result) {
  using A = kvant_row_stats_args;
  return CallInfer(
      "row_stats", args, [=](ArgReader&, const RowStatsArgs& a) { return StoreOne(&InferRowStats, a, result); },
      &A::min, &A::max, &A::amax);
}

kvant_status kvant_params_from_amax(const kvant_params_from_amax_args* args) {
  return Call("params_from_amax", args, nullptr,
              [](const ParamsFromAmaxArgs& a, const ExecOptions&) { return ParamsFromAmax(a); });
}

kvant_status kvant_params_from_minmax(const kvant_params_from_minmax_args* args) {
  return Call("params_from_minmax", args, nullptr,
              [](const ParamsFromMinMaxArgs& a, const ExecOptions&) { return ParamsFromMinMax(a); });
}

kvant_status kvant_quantize_with_params(const kvant_quantize_with_params_args* args, const kvant_exec* exec) {
  return Call("quantize_with_params", args, exec, QuantizeWithParams);
}

kvant_status kvant_infer_quantize_with_params(const kvant_quantize_with_params_args* args, kvant_tensor_spec* y) {
  return CallInfer(
      "quantize_with_params", args,
      [=](ArgReader&, const QuantizeWithParamsArgs& a) { return StoreOne(&InferQuantizeWithParams, a, y); },
      &kvant_quantize_with_params_args::y);
}

kvant_status kvant_quantize(const kvant_quantize_args* args, const kvant_exec* exec) {
  return Call("quantize", args, exec, Quantize);
}

kvant_status kvant_infer_quantize(const kvant_quantize_args* args, kvant_tensor_spec* y) {
  return CallInfer(
      "quantize", args, [=](ArgReader&, const QuantizeArgs& a) { return StoreOne(&InferQuantize, a, y); },
      &kvant_quantize_args::y);
}

kvant_status kvant_dequantize(const kvant_dequantize_args* args, const kvant_exec* exec) {
  return Call("dequantize", args, exec, Dequantize);
}

kvant_status kvant_infer_dequantize(const kvant_dequantize_args* args, DLDataType dtype, kvant_tensor_spec* x) {
  return CallInfer(
      "dequantize", args,
      [=](ArgReader& read, const DequantizeArgs& a) {
        return StoreTyped(&InferDequantize, read, a, {"dtype", dtype}, x);
      },
      &kvant_dequantize_args::x);
}

kvant_status kvant_pack_int4(const kvant_pack_int4_args* args, const kvant_exec* exec) {
  return Call("pack_int4", args, exec, PackInt4);
}

kvant_status kvant_unpack_int4(const kvant_unpack_int4_args* args, const kvant_exec* exec) {
  return Call("unpack_int4", args, exec, UnpackInt4);
}

kvant_status kvant_infer_pack_int4(const kvant_pack_int4_args* args, DLDataType storage, kvant_tensor_spec* packed) {
  return CallInfer(
      "pack_int4", args,
      [=](ArgReader& read, const PackInt4Args& a) {
        return StoreTyped(&InferPackInt4, read, a, {"storage", storage}, packed);
      },
      &kvant_pack_int4_args::packed);
}

kvant_status kvant_infer_unpack_int4(const kvant_unpack_int4_args* args, kvant_tensor_spec* codes) {
  return CallInfer(
      "unpack_int4", args, [=](ArgReader&, const UnpackInt4Args& a) { return StoreOne(&InferUnpackInt4, a, codes); },
      &kvant_unpack_int4_args::codes);
}

const char* kvant_last_error(void) { return fixed_error != nullptr ? fixed_error : last_error.c_str(); }

const char* kvant_version(void) { return KVANT_VERSION_STRING; }

const char* const* kvant_supported_targets(void) {
  static const std::vector<const char*> names = [] {
    std::vector<const char*> list;
    for (const Target target : SupportedTargets()) list.push_back(NameOf(target));
    list.push_back(nullptr);
    return list;
  }();
  return names.data();
}

const char* kvant_active_target(void) {
  Target target{};
  return Guard([&] { return ActiveTarget(&target); }) == KVANT_OK ? NameOf(target) : nullptr;
}

kvant_status kvant_set_target(const char* name) {
  return Guard([&] { return name == nullptr ? Status::InvalidValue("set_target: name is NULL") : SetTarget(name); });
}

}  // extern "C"

}  // namespace kvant::c_api
