// scatter_update on a queue (rowwise/cuda_run.h).
#ifndef KVANT_OPS_SCATTER_UPDATE_CUDA_PLAN_H_
#define KVANT_OPS_SCATTER_UPDATE_CUDA_PLAN_H_

#include "kvant/ops/scatter_update/rules.h"
#include "kvant/rowwise/cuda_grid.h"
#include "kvant/rowwise/cuda_run.h"

namespace kvant::scatter_update {

enum : int { kTo, kFrom, kPosition };

// Copies of single elements, of tensors of one shape and dtype.
inline CudaElements CopyPlan(const ConstTensorView& to, const ConstTensorView& from) {
  CudaElements e;
  e.data[kTo] = static_cast<char*>(const_cast<void*>(to.data()));
  e.data[kFrom] = static_cast<char*>(const_cast<void*>(from.data()));
  const int64_t bytes = ByteSize(to.dtype());
  for (int d = 0; d < to.rank(); ++d) e.grid.Add({to.shape(d), {to.stride(d) * bytes, from.stride(d) * bytes, 0, 0}});
  return e;
}

// Makes words of neighbouring elements as wide as both sides allow; returns their bytes.
inline int Widen(int64_t bytes, CudaElements* e) {
  Grid::Dim& columns = e->grid.dims[e->grid.rank - 1];
  const bool position = e->position >= 0 && columns.stride[kPosition] != 0;
  if (position || columns.stride[kTo] != bytes || columns.stride[kFrom] != bytes) return static_cast<int>(bytes);
  for (int64_t word = 16; word > bytes; word /= 2) {
    if (columns.extent * bytes % word != 0 || !AlignedElements(*e, kTo, word, 1) ||
        !AlignedElements(*e, kFrom, word, 1)) {
      continue;
    }
    columns.extent = columns.extent * bytes / word;
    columns.stride[kTo] = columns.stride[kFrom] = word;
    return static_cast<int>(word);
  }
  return static_cast<int>(bytes);
}

template <class Queue>
Status RunCopy(Queue& queue, int64_t bytes, CudaElements e) {
  e.grid.Normalize(/*keep_last=*/false);
  const int word = Widen(bytes, &e);
  e.vectors = true;
  const CudaShape shape = CutElements(queue.traits, /*piece=*/4096, kWordsInHand, &e);
  return LaunchCopy(queue, word, e, shape);
}

template <class Queue>
Status CopyOn(Queue& queue, const TensorView& to, const ConstTensorView& from) {
  if (to.elements() == 0) return {};
  return RunCopy(queue, ByteSize(to.dtype()), CopyPlan(to, from));
}

template <class Queue>
Status ScatterOn(Queue& queue, const char* op, const TensorView& self, const ScatterIndex& index,
                 const ConstTensorView& updates) {
  if (updates.elements() == 0) return {};
  const ScatterGeometry& g = index.geometry();
  const int64_t bytes = ByteSize(self.dtype());
  CudaElements e = CopyPlan(ScatterWindow(self, g), FirstUpdate(updates));
  e.op = op;
  e.faults = queue.faults;
  e.scatter.on = true;
  e.scatter.index = index;
  e.scatter.deterministic = queue.deterministic;
  if (queue.deterministic) {
    e.position = kPosition;
    if (g.mode != IndexMode::kSlot) e.grid.dims[g.axis - 1].stride[kPosition] = 1;
  }
  ReachByIndex(self, kTo, bytes, &e);
  ReachByUpdate(updates, kFrom, bytes, &e);
  return RunCopy(queue, bytes, e);
}

template <class Queue>
Status RunOn(Queue& queue, const ScatterUpdateInPlaceArgs& args) {
  ScatterGeometry geometry;
  KVANT_RETURN_IF_ERROR(Check(args, &geometry, queue.device));
  const ScatterIndex index(args.indices, geometry, args.index_policy);
  return ScatterOn(queue, kInPlace.data(), args.self, index, args.updates);
}

template <class Queue>
Status RunOn(Queue& queue, const ScatterUpdateArgs& args) {
  ScatterGeometry geometry;
  KVANT_RETURN_IF_ERROR(Check(args, &geometry, queue.device));
  const ScatterIndex index(args.indices, geometry, args.index_policy);
  KVANT_RETURN_IF_ERROR(CopyOn(queue, args.out, args.self));
  return ScatterOn(queue, kOp.data(), args.out, index, args.updates);
}

}  // namespace kvant::scatter_update

#endif  // KVANT_OPS_SCATTER_UPDATE_CUDA_PLAN_H_
