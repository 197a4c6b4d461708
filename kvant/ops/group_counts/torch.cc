#include "kvant/ops/group_counts/group_counts.h"
#include "kvant/torch/binding.h"

namespace kvant::binding {
namespace {

constexpr Reader kCounts("counts_from_ends");
constexpr Reader kEnds("ends_from_counts");

void CountsInto(const Tensor& ends, const Tensor& counts) {
  Check(CountsFromEnds(kCounts.In("ends", ends), kCounts.Out("counts", counts)));
}

Tensor Counts(const Tensor& ends) {
  Tensor counts = kCounts.EmptyLike(ends);
  CountsInto(ends, counts);
  return counts;
}

void EndsInto(const Tensor& counts, const Tensor& ends) {
  Check(EndsFromCounts(kEnds.In("counts", counts), kEnds.Out("ends", ends)));
}

Tensor Ends(const Tensor& counts) {
  Tensor ends = kEnds.EmptyLike(counts);
  EndsInto(counts, ends);
  return ends;
}

KVANT_TORCH_SCHEMAS(m) {
  m.def("counts_from_ends(Tensor ends) -> Tensor");
  m.def("counts_from_ends_out(Tensor ends, Tensor(a!) counts) -> ()");
  m.def("ends_from_counts(Tensor counts) -> Tensor");
  m.def("ends_from_counts_out(Tensor counts, Tensor(a!) ends) -> ()");
}

KVANT_TORCH_KERNELS(m) {
  m.impl("counts_from_ends", TORCH_BOX(&Counts));
  m.impl("counts_from_ends_out", TORCH_BOX(&CountsInto));
  m.impl("ends_from_counts", TORCH_BOX(&Ends));
  m.impl("ends_from_counts_out", TORCH_BOX(&EndsInto));
}

}  // namespace
}  // namespace kvant::binding
