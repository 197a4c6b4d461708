#include "kvant/ops/scatter_update/scatter_update.h"
#include "kvant/torch/binding.h"

namespace kvant::binding {
namespace {

constexpr Reader kRead("scatter_update");
constexpr Reader kInPlace("scatter_update_");

Tensor Functional(const Tensor& dest, const Tensor& indices, const Tensor& updates, int64_t axis, int64_t index_mode,
                  int64_t index_policy) {
  const Reader::Bytes bytes = kRead.InBytes(dest, updates);
  Tensor out = kRead.EmptyLike(dest);
  ScatterUpdateArgs args;
  args.self = bytes.self;
  args.indices = kRead.In("indices", indices);
  args.updates = bytes.updates;
  args.axis = kRead.Axis(axis);
  args.index_mode = kRead.Indexing(index_mode);
  args.index_policy = kRead.Policy(index_policy);
  args.out = kRead.OutBytes(out, bytes.self.dtype());
  Check(ScatterUpdate(args, Exec()));
  return out;
}

void InPlace(const Tensor& dest, const Tensor& indices, const Tensor& updates, int64_t axis, int64_t index_mode,
             int64_t index_policy) {
  const Reader::Bytes bytes = kInPlace.InBytes(dest, updates);
  ScatterUpdateInPlaceArgs args;
  args.self = kInPlace.OutBytes(dest, bytes.self.dtype());
  args.indices = kInPlace.In("indices", indices);
  args.updates = bytes.updates;
  args.axis = kInPlace.Axis(axis);
  args.index_mode = kInPlace.Indexing(index_mode);
  args.index_policy = kInPlace.Policy(index_policy);
  Check(ScatterUpdateInPlace(args, Exec()));
}

KVANT_TORCH_SCHEMAS(m) {
  m.def(
      "scatter_update(Tensor dest, Tensor indices, Tensor updates, int axis, int index_mode, int index_policy=0) "
      "-> Tensor");
  m.def(
      "scatter_update_(Tensor(a!) dest, Tensor indices, Tensor updates, int axis, int index_mode, "
      "int index_policy=0) -> ()");
}

KVANT_TORCH_KERNELS(m) {
  m.impl("scatter_update", TORCH_BOX(&Functional));
  m.impl("scatter_update_", TORCH_BOX(&InPlace));
}

}  // namespace
}  // namespace kvant::binding
