// What is legal for operators that write updates to places of a destination that indices name: shapes, axis, indices.
// The values of indices are ScatterIndex's business.
#ifndef KVANT_ROWWISE_SCATTER_RULES_H_
#define KVANT_ROWWISE_SCATTER_RULES_H_

#include <optional>

#include "kvant/core/scatter_index.h"
#include "kvant/rowwise/rules.h"

namespace kvant {

struct ScatterInputs {
  std::string_view op;
  NamedTensor self;  // the destination; the names are those of the errors
  const ConstTensorView& indices;
  NamedTensor updates;
  int axis;  // of self; negative counts from the end
  std::optional<IndexMode> index_mode;
  IndexPolicy index_policy;
  bool whole_rows = false;        // the last dimension is quantized together: the axis comes before it
  int64_t codes_per_element = 1;  // of self, in its last dimension: updates has as many elements for one of self
  bool gathers = false;           // the shape of updates was made of `length` and indices: errors name those
};

// self of rank 2 (whole_rows: 3) or more, an axis that is not its first dimension (whole_rows: nor the last), indices
// of the mode's shape, updates of a shape that they and self ask for, at most as long as the axis. Dtypes of self and
// updates are the operator's business.
Status CheckScatter(const ScatterInputs& in, ScatterGeometry* geometry);

// The shape of the scales of a cache of codes whose rows have h elements.
TensorSpec TableSpec(const ConstTensorView& var, int64_t h, int64_t group_size);

// With one more dimension of extent 1 before dimension d.
ConstTensorView WithDimension(const ConstTensorView& t, int d);

// A table of a cache without groups as its shape is meant, var.shape[:-1]: [B, S] is taken for var [B, S, 1, H], and
// where there are only scales one more dimension of extent 1 at the end.
TensorView CanonicalTable(const ConstTensorView& var, const TensorView& table, bool only_scales);

// A cache of packed codes is contiguous along its last dimension.
Status CheckPackedCache(std::string_view op, NamedTensor var, Format format);

}  // namespace kvant

#endif  // KVANT_ROWWISE_SCATTER_RULES_H_
