// What is legal for pack_int4 and unpack_int4, and the shapes of their results.
#ifndef KVANT_OPS_PACK_INT4_RULES_H_
#define KVANT_OPS_PACK_INT4_RULES_H_

#include <fmt/core.h>

#include "kvant/ops/pack_int4/pack_int4.h"
#include "kvant/rowwise/rules.h"

namespace kvant::pack_int4 {

inline constexpr std::string_view kPack = "pack_int4";
inline constexpr std::string_view kUnpack = "unpack_int4";

inline Status CheckInput(std::string_view op, NamedTensor t) {
  KVANT_RETURN_IF_ERROR(CheckPresent(op, t));
  if (t.tensor.rank() >= 1) return {};
  return Status::InvalidValue(fmt::format("{}: {} has no dimensions, expected at least 1", op, t.name));
}

inline Status CheckStorage(std::string_view op, DType storage) {
  if (StorageAllowed(Format::kInt4, storage)) return {};
  return Status::InvalidType(fmt::format("{}: packed is {}, expected uint8 or int32", op, Name(storage)));
}

inline Status CheckCodesInput(const ConstTensorView& codes, DType storage) {
  KVANT_RETURN_IF_ERROR(CheckInput(kPack, {"codes", codes}));
  if (codes.dtype() != DType::kInt8) {
    return Status::InvalidType(fmt::format("{}: codes is {}, expected int8", kPack, Name(codes.dtype())));
  }
  KVANT_RETURN_IF_ERROR(CheckStorage(kPack, storage));
  const int64_t per_element = CodesPerElement(Format::kInt4, storage);
  if (codes.shape(-1) % per_element == 0) return {};
  return Status::InvalidValue(fmt::format("{}: codes.shape[-1] is {}, but an element of {} holds {} codes", kPack,
                                          codes.shape(-1), Name(storage), per_element));
}

// The shape of the codes in `packed`.
inline Status CheckPackedInput(const ConstTensorView& packed, TensorSpec* codes) {
  KVANT_RETURN_IF_ERROR(CheckInput(kUnpack, {"packed", packed}));
  KVANT_RETURN_IF_ERROR(CheckStorage(kUnpack, packed.dtype()));
  codes->dtype = DType::kInt8;
  for (int d = 0; d < packed.rank(); ++d) codes->shape[codes->rank++] = packed.shape(d);
  codes->shape[codes->rank - 1] *= CodesPerElement(Format::kInt4, packed.dtype());
  return {};
}

inline Status Check(const PackInt4Args& a, Device device = Device::kCpu) {
  const ConstTensorView packed = a.packed;
  KVANT_RETURN_IF_ERROR(CheckInput(kPack, {"codes", a.codes}));
  KVANT_RETURN_IF_ERROR(CheckPresent(kPack, {"packed", packed}));
  KVANT_RETURN_IF_ERROR(CheckCodesInput(a.codes, packed.dtype()));
  KVANT_RETURN_IF_ERROR(CheckCodes(kPack, {"packed", packed}, a.codes, Format::kInt4));
  return CheckOverlap(kPack, {{"packed", packed}}, {{"codes", a.codes}}, device);
}

inline Status Check(const UnpackInt4Args& a, Device device = Device::kCpu) {
  const ConstTensorView codes = a.codes;
  TensorSpec spec;
  KVANT_RETURN_IF_ERROR(CheckPackedInput(a.packed, &spec));
  KVANT_RETURN_IF_ERROR(CheckSpec(kUnpack, {"codes", codes}, spec));
  KVANT_RETURN_IF_ERROR(CheckCodes(kUnpack, {"packed", a.packed}, codes, Format::kInt4));
  return CheckOverlap(kUnpack, {{"codes", codes}}, {{"packed", a.packed}}, device);
}

}  // namespace kvant::pack_int4

#endif  // KVANT_OPS_PACK_INT4_RULES_H_
