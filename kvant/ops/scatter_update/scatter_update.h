// Writes rows to places of a tensor that indices name, as a KV cache is filled.
#ifndef KVANT_OPS_SCATTER_UPDATE_SCATTER_UPDATE_H_
#define KVANT_OPS_SCATTER_UPDATE_SCATTER_UPDATE_H_

#include <optional>

#include "kvant/core/exec.h"
#include "kvant/core/index_mode.h"
#include "kvant/core/status.h"
#include "kvant/core/tensor.h"

namespace kvant {

// Along axis a, with U = updates.shape[a] and 0 <= t < U, for every i (IndexMode has the definition):
//   kBatch  self[i, .., indices[i] + t, ..] = updates[i, .., t, ..]
//   kPair   self[indices[i, 0], .., indices[i, 1] + t, ..] = updates[i, .., t, ..]
//   kSlot   self[s / P, .., s % P, ..] = updates[i, ..], s = indices[i], P = self.shape[a]
// Elements are copied as bytes. What no index names keeps every byte. Of two updates of one element the one with the
// higher i wins, whatever the number of threads.
struct ScatterUpdateInPlaceArgs {
  TensorView self;          // any dtype, rank >= 2, any strides
  ConstTensorView indices;  // int32 | int64: [n], kPair [n, 2], any strides
  ConstTensorView updates;  // dtype of self, any strides. kBatch, kPair: n at dimension 0, U <= self.shape[a] at a,
                            // else the extents of self; kSlot: the same without dimension a
  int axis = -2;            // of self; not 0; negative: from the end
  std::optional<IndexMode> index_mode;  // has to be given
  IndexPolicy index_policy = IndexPolicy::kError;
};

// Fails, before anything is written, with
//   kInvalidType   indices that are neither int32 nor int64, updates of another dtype than self
//   kInvalidValue  no index_mode, an illegal axis, shapes that do not agree, U > self.shape[a], kBatch with
//                  n > self.shape[0], a self that overlaps itself or an input
//   kOutOfRange    under kError: an index that is neither legal nor padding; names the first one
Status ScatterUpdateInPlace(const ScatterUpdateInPlaceArgs& args, const ExecOptions& exec = {});

// The same into a copy: `self` is left alone, `out` is self with the updates in it.
struct ScatterUpdateArgs {
  ConstTensorView self;
  ConstTensorView indices;
  ConstTensorView updates;
  int axis = -2;
  std::optional<IndexMode> index_mode;
  IndexPolicy index_policy = IndexPolicy::kError;
  TensorView out;  // dtype and shape of self, any strides; overlaps no input
};
Status ScatterUpdate(const ScatterUpdateArgs& args, const ExecOptions& exec = {});

// What `out` must look like. Fails like ScatterUpdate on bad inputs, values of indices aside.
Status InferScatterUpdate(const ScatterUpdateArgs& args, TensorSpec* out);

}  // namespace kvant

#endif  // KVANT_OPS_SCATTER_UPDATE_SCATTER_UPDATE_H_
