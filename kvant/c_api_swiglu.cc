#include "kvant/c_api_swiglu.h"

#include <cstddef>

#include "kvant/c_api_args.h"
#include "kvant/c_api_call.h"
#include "kvant/kvant.h"

namespace kvant::c_api {
namespace {

static_assert(static_cast<int>(SwigluMode::kSwish) == KVANT_SWIGLU_SWISH &&
              static_cast<int>(SwigluMode::kClampedInterleaved) == KVANT_SWIGLU_CLAMPED_INTERLEAVED &&
              static_cast<int>(SwigluMode::kClamped) == KVANT_SWIGLU_CLAMPED);
static_assert(static_cast<int>(ScaleSource::kStatic) == KVANT_SCALE_STATIC &&
              static_cast<int>(ScaleSource::kDynamic) == KVANT_SCALE_DYNAMIC);

// No padding at the end, as in c_api.cc.
static_assert(sizeof(kvant_dequant_swiglu_quant_args) ==
              offsetof(kvant_dequant_swiglu_quant_args, scale) + sizeof(void*));
static_assert(sizeof(kvant_group_counts_args) == offsetof(kvant_group_counts_args, counts) + sizeof(void*));

struct GroupCounts {
  TensorView ends, counts;
};
GroupCounts Convert(ArgReader& read, const kvant_group_counts_args& a) {
  return {read.Tensor("ends", a.ends), read.Tensor("counts", a.counts)};
}

template <class Run>
kvant_status CallGroupCounts(std::string_view op, const kvant_group_counts_args* args, Run run) {
  return Guard([&]() -> Status {
    ArgReader read(op, args);
    if (!read.ok()) return read.status();
    const GroupCounts given = Convert(read, *args);
    return read.ok() ? run(given) : read.status();
  });
}

}  // namespace

DequantSwigluQuantArgs Convert(ArgReader& read, const kvant_dequant_swiglu_quant_args& a) {
  DequantSwigluQuantArgs args;
  args.x = read.Tensor("x", a.x);
  args.weight_scale = read.Tensor("weight_scale", a.weight_scale);
  args.activation_scale = read.Tensor("activation_scale", a.activation_scale);
  args.bias = read.Tensor("bias", a.bias);
  args.quant_scale = read.Tensor("quant_scale", a.quant_scale);
  args.quant_offset = read.Tensor("quant_offset", a.quant_offset);
  args.group_index = read.Tensor("group_index", a.group_index);
  args.activate_left = read.Choice("activate_left", a.activate_left, true);
  args.quant_mode = read.Choice<ScaleSource>("quant_mode", a.quant_mode);
  args.dst_type = ReadFormat(read, a.dst_type);
  args.swiglu_mode = read.Choice<SwigluMode>("swiglu_mode", a.swiglu_mode);
  args.clamp_limit = a.clamp_limit;
  args.glu_alpha = a.glu_alpha;
  args.glu_bias = a.glu_bias;
  args.y = read.Tensor("y", a.y);
  args.scale = read.Tensor("scale", a.scale);
  return args;
}

// Declared in c_api_swiglu.h at global scope: with C linkage the namespace of a definition does not matter.
extern "C" {

kvant_status kvant_dequant_swiglu_quant(const kvant_dequant_swiglu_quant_args* args, const kvant_exec* exec) {
  return Call("dequant_swiglu_quant", args, exec, DequantSwigluQuant);
}

kvant_status kvant_infer_dequant_swiglu_quant(const kvant_dequant_swiglu_quant_args* args, kvant_tensor_spec* y,
                                              kvant_tensor_spec* scale) {
  return CallInfer(
      "dequant_swiglu_quant", args,
      [=](ArgReader&, const DequantSwigluQuantArgs& a) -> Status {
        TensorSpec y_spec, scale_spec;
        KVANT_RETURN_IF_ERROR(InferDequantSwigluQuant(a, &y_spec, &scale_spec));
        Store(y_spec, y);
        Store(scale_spec, scale);
        return {};
      },
      &kvant_dequant_swiglu_quant_args::y, &kvant_dequant_swiglu_quant_args::scale);
}

kvant_status kvant_counts_from_ends(const kvant_group_counts_args* args) {
  return CallGroupCounts("counts_from_ends", args,
                         [](const GroupCounts& a) { return CountsFromEnds(a.ends, a.counts); });
}

kvant_status kvant_ends_from_counts(const kvant_group_counts_args* args) {
  return CallGroupCounts("ends_from_counts", args,
                         [](const GroupCounts& a) { return EndsFromCounts(a.counts, a.ends); });
}

}  // extern "C"

}  // namespace kvant::c_api
