// Copies between tensors of one shape and dtype, whatever their strides.
#ifndef KVANT_OPS_SCATTER_UPDATE_COPY_H_
#define KVANT_OPS_SCATTER_UPDATE_COPY_H_

#include "kvant/rowwise/grid.h"

namespace kvant::scatter_update {

// How to copy a tensor of one layout to one of another: of these two, and of others that have their strides.
class Copier {
 public:
  // Both have the shape and dtype of `to`.
  Copier(const ConstTensorView& to, const ConstTensorView& from);

  const Grid& grid() const { return grid_; }
  // The part of the grid between tensors whose first elements lie here.
  void Copy(const GridPart& part, char* to, const char* from) const;

 private:
  using RunFunction = void (*)(char* to, int64_t to_step, const char* from, int64_t from_step, int64_t n);

  Grid grid_;
  RunFunction run_;  // for columns of a row
};

// All of `from` to `to`, on exec's threads.
void CopyTensor(const TensorView& to, const ConstTensorView& from, const ExecOptions& exec);

}  // namespace kvant::scatter_update

#endif  // KVANT_OPS_SCATTER_UPDATE_COPY_H_
