#include "kvant/ops/pack_int4/pack_int4.h"
#include "kvant/torch/binding.h"

namespace kvant::binding {
namespace {

constexpr Reader kPack("pack_int4");
constexpr Reader kUnpack("unpack_int4");

void PackInto(const Tensor& codes, const Tensor& packed) {
  PackInt4Args args;
  args.codes = kPack.In("codes", codes);
  args.packed = kPack.Out("packed", packed);
  Check(PackInt4(args, Exec()));
}

Tensor Pack(const Tensor& codes, bool as_int32) {
  PackInt4Args args;
  args.codes = kPack.In("codes", codes);
  TensorSpec spec;
  Check(InferPackInt4(args, as_int32 ? DType::kInt32 : DType::kUInt8, &spec));
  Tensor packed = Empty(spec);
  args.packed = kPack.Out("packed", packed);
  Check(PackInt4(args, Exec()));
  return packed;
}

void UnpackInto(const Tensor& packed, const Tensor& codes) {
  UnpackInt4Args args;
  args.packed = kUnpack.In("packed", packed);
  args.codes = kUnpack.Out("codes", codes);
  Check(UnpackInt4(args, Exec()));
}

Tensor Unpack(const Tensor& packed) {
  UnpackInt4Args args;
  args.packed = kUnpack.In("packed", packed);
  TensorSpec spec;
  Check(InferUnpackInt4(args, &spec));
  Tensor codes = Empty(spec);
  args.codes = kUnpack.Out("codes", codes);
  Check(UnpackInt4(args, Exec()));
  return codes;
}

KVANT_TORCH_SCHEMAS(m) {
  m.def("pack_int4(Tensor codes, bool as_int32=False) -> Tensor");
  m.def("pack_int4_out(Tensor codes, Tensor(a!) packed) -> ()");
  m.def("unpack_int4(Tensor packed) -> Tensor");
  m.def("unpack_int4_out(Tensor packed, Tensor(a!) codes) -> ()");
}

KVANT_TORCH_KERNELS(m) {
  m.impl("pack_int4", TORCH_BOX(&Pack));
  m.impl("pack_int4_out", TORCH_BOX(&PackInto));
  m.impl("unpack_int4", TORCH_BOX(&Unpack));
  m.impl("unpack_int4_out", TORCH_BOX(&UnpackInto));
}

}  // namespace
}  // namespace kvant::binding
