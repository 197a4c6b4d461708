#include "cli/error_bound.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "kvant/core/visit.h"
#include "kvant/ops/dequantize/dequantize.h"

namespace kvant::cli {

Status ErrorBound::Make(const DynamicQuantArgs& args, ErrorBound* bound) {
  bound->integer_ = IsInteger(args.dst_type);
  bound->range_ = RangeFor(args.dst_type, Info(args.dst_type).d);
  if (bound->integer_) return {};
  std::array<uint8_t, 256> codes;
  std::iota(codes.begin(), codes.end(), uint8_t{0});
  std::array<float, 256> values;
  const float one = 1;
  DequantizeArgs decode;
  decode.y = ConstTensorView(codes.data(), DType::kUInt8, {256});
  decode.scale = ConstTensorView(&one, DType::kFloat32, {1});
  decode.dst_type = args.dst_type;
  decode.quant_mode = QuantMode::kPerTensor;
  decode.x = TensorView(values.data(), DType::kFloat32, {256});
  KVANT_RETURN_IF_ERROR(Dequantize(decode));
  bound->codes_.clear();
  for (const float value : values) {
    if (std::isfinite(value)) bound->codes_.push_back(value);
  }
  std::sort(bound->codes_.begin(), bound->codes_.end());
  return {};
}

double ErrorBound::InScales(double x_over_scale, double offset) const {
  if (integer_) return 0.5 + 0x1p-22 * (std::fabs(offset) + range_);
  const double q = x_over_scale + offset;
  // x' / scale, + offset, - offset and * scale are rounded, each by at most 2^-24 of its result.
  const double roundings = 0x1p-22 * (std::fabs(q) + std::fabs(offset));
  const auto above = std::lower_bound(codes_.begin(), codes_.end(), q);
  if (above == codes_.end()) return q - codes_.back() + roundings;
  if (above == codes_.begin()) return codes_.front() - q + roundings;
  return (*above - *std::prev(above)) / 2 + roundings;
}

double ElementOf(const ConstTensorView& x, int64_t i) {
  return VisitFloat(
      x.dtype(), [&](auto element) -> double { return ToFloat32(static_cast<const decltype(element)*>(x.data())[i]); });
}

}  // namespace kvant::cli
