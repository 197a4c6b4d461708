#include "cli/values.h"

#include <cstring>

#include "kvant/core/half.h"
#include "kvant/ops/dequantize/dequantize.h"

namespace kvant::cli {
namespace {

template <class T, class Real>
void Widen(const char* from, int64_t n, Real* to) {
  for (int64_t i = 0; i < n; ++i) {
    T value;
    std::memcpy(&value, from + i * static_cast<int64_t>(sizeof value), sizeof value);
    if constexpr (std::is_arithmetic_v<T>) {
      to[i] = static_cast<Real>(value);
    } else {
      to[i] = ToFloat32(value);
    }
  }
}

template <class Real>
using WidenFunction = void (*)(const char* from, int64_t n, Real* to);

// Null for types without real numbers in whole bytes, and for FP8, which goes through dequantize.
template <class Real>
WidenFunction<Real> WidenFor(ElementType type) {
  switch (type) {
    case ElementType::kBool:
    case ElementType::kU8:
      return Widen<uint8_t, Real>;
    case ElementType::kI8:
      return Widen<int8_t, Real>;
    case ElementType::kI16:
      return Widen<int16_t, Real>;
    case ElementType::kU16:
      return Widen<uint16_t, Real>;
    case ElementType::kF16:
      return Widen<Float16, Real>;
    case ElementType::kBF16:
      return Widen<BFloat16, Real>;
    case ElementType::kI32:
      return Widen<int32_t, Real>;
    case ElementType::kU32:
      return Widen<uint32_t, Real>;
    case ElementType::kF32:
      return Widen<float, Real>;
    case ElementType::kF64:
      return Widen<double, Real>;
    case ElementType::kI64:
      return Widen<int64_t, Real>;
    case ElementType::kU64:
      return Widen<uint64_t, Real>;
    default:
      return nullptr;
  }
}

bool IsFp8(ElementType type) { return type == ElementType::kF8E4M3 || type == ElementType::kF8E5M2; }

}  // namespace

TensorValues::TensorValues(const TensorSet& set, const TensorEntry& entry, const ExecOptions& exec)
    : entry_(entry),
      quantized_(set.FindQuantized(entry.name)),
      where_{&set.file(), &entry},
      exec_(exec),
      whole_(WholeTensor(set.ShapeOf(entry), QuantMode::kPerChannel)) {}

bool TensorValues::readable() const {
  return quantized_ != nullptr || IsFp8(entry_.type) || WidenFor<double>(entry_.type) != nullptr;
}

int64_t TensorValues::unit() const {
  if (quantized_ == nullptr) return 1;
  return std::max<int64_t>(quantized_->info.group_size, 2);
}

Status TensorValues::Dequantize(const Box& box, DType dtype, void* dst) {
  // FP8 without a description are numbers of their own.
  QuantInfo plain;
  plain.format = entry_.type == ElementType::kF8E5M2 ? Format::kFloat8E5M2 : Format::kFloat8E4M3FN;
  plain.mode = QuantMode::kPerTensor;
  const QuantInfo& info = quantized_ != nullptr ? quantized_->info : plain;

  // The box as the mode sees it: for all but perchannel, batches are rows too.
  Box tensor = whole_, part = box;
  if (info.mode != QuantMode::kPerChannel) {
    part.first = {0, box.first[0] * whole_.rows() + box.first[1], box.first[2]};
    part.size = {1, box.batches() * box.rows(), box.columns()};
    tensor.size = {1, whole_.batches() * whole_.rows(), whole_.columns()};
  }
  const int64_t bits = Info(info.format).bits;
  KVANT_RETURN_IF_ERROR(ReadBox(where_, tensor, part, bits, raw_.Resize(part.elements() * bits / 8)));

  const ParamRange range = ParamsOf(tensor, part, info.mode, info.group_size);
  const int64_t param_bytes = range.count * 4;
  scale_.Resize(std::max<int64_t>(param_bytes, 4));
  DequantizeArgs args;
  args.scale = ViewParams(scale_.floats(), part, info.mode, info.group_size);
  if (quantized_ == nullptr) {
    *scale_.floats() = 1;
  } else {
    const auto read = [&](const Located& from, Buffer* to) {
      return from.file->ReadRange(*from.entry, range.first * 4, to->Resize(param_bytes), param_bytes);
    };
    KVANT_RETURN_IF_ERROR(read(quantized_->scale, &scale_));
    if (quantized_->offset.entry != nullptr) {
      KVANT_RETURN_IF_ERROR(read(quantized_->offset, &offset_));
      args.offset = ViewParams(offset_.floats(), part, info.mode, info.group_size);
    }
  }
  const DType storage = *ToDType(entry_.type);
  args.y =
      ViewBox(static_cast<const void*>(raw_.data()), storage, part, info.mode, CodesPerElement(info.format, storage));
  args.dst_type = info.format;
  args.quant_mode = info.mode;
  args.group_size = info.group_size;
  args.x = ViewBox(dst, dtype, part, info.mode);
  return kvant::Dequantize(args, exec_);
}

int64_t TensorValues::Bytes(const Box& box) const {
  return box.elements() * (quantized_ != nullptr ? Info(quantized_->info.format).bits : Info(entry_.type).bits) / 8;
}

template <class Real>
Status TensorValues::Read(const Box& box, Real* dst) {
  const int64_t n = box.elements();
  if (quantized_ != nullptr || IsFp8(entry_.type)) {
    real_.Resize(n * 4);
    KVANT_RETURN_IF_ERROR(Dequantize(box, DType::kFloat32, real_.data()));
    Widen<float, Real>(real_.data(), n, dst);
    return {};
  }
  KVANT_RETURN_IF_ERROR(ReadBox(where_, whole_, box, Info(entry_.type).bits, raw_.Resize(Bytes(box))));
  WidenFor<Real>(entry_.type)(raw_.data(), n, dst);
  return {};
}
template Status TensorValues::Read(const Box& box, double* dst);
template Status TensorValues::Read(const Box& box, long double* dst);

std::string TypeText(const TensorSet& set, const TensorEntry& entry) {
  if (const QuantizedTensor* const quantized = set.FindQuantized(entry.name)) {
    return std::string(Name(quantized->info.format)).append(" of ").append(Name(quantized->info.dtype));
  }
  const auto dtype = ToDType(entry.type);
  return std::string(dtype && IsFloat(*dtype) ? Name(*dtype) : Name(entry.type));
}

}  // namespace kvant::cli
