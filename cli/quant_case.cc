#include "cli/quant_case.h"

#include <fmt/core.h>

#include "kvant/ops/dequantize/dequantize.h"

namespace kvant::cli {

Status QuantCase::Make(const DynamicQuantArgs& args, QuantCase* made) {
  DynamicQuantOutputs outputs;
  KVANT_RETURN_IF_ERROR(InferDynamicQuant(args, &outputs));
  made->args_ = args;
  const int64_t codes = outputs.y.bytes(), params = outputs.scale.bytes();
  made->bytes_after_ = codes + params * (args.symmetric ? 1 : 2);
  // Scales begin on a float of their own.
  const int64_t scale_at = (codes + 3) / 4 * 4;
  char* const memory = made->results_.Resize(scale_at + 2 * params);
  made->args_.y = TensorView(memory, outputs.y.dtype, outputs.y.dims());
  made->args_.scale = TensorView(memory + scale_at, DType::kFloat32, outputs.scale.dims());
  if (!args.symmetric) {
    made->args_.offset = TensorView(memory + scale_at + params, DType::kFloat32, outputs.offset.dims());
  }
  return {};
}

Status QuantCase::Restore(const ExecOptions& exec, float* x) const {
  DequantizeArgs back;
  back.y = args_.y;
  back.scale = args_.scale;
  if (!args_.symmetric) back.offset = args_.offset;
  back.dst_type = args_.dst_type;
  back.quant_mode = args_.quant_mode;
  back.group_size = args_.group_size;
  back.x = TensorView(x, DType::kFloat32, args_.x.shape());
  return Dequantize(back, exec);
}

Traffic QuantCase::traffic() const {
  return {static_cast<const char*>(args_.x.data()), bytes_before(), results_.data(), bytes_after_};
}

std::string ShortName(Format format, int64_t group_size) {
  return group_size == 0 ? std::string(Name(format)) : fmt::format("{} g{}", Name(format), group_size);
}

}  // namespace kvant::cli
