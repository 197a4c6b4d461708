#include <stdexcept>

#include "kvant/torch/binding.h"

namespace kvant::binding {
namespace {

// What backpropagation through a result of kvant runs into; an operator, so that compiled graphs run into it as well.
Tensor NoGradient(const Tensor&, const Tensor&) {
  throw std::runtime_error(
      "kvant: quantization has no gradient. Detach what you quantize, or call kvant under torch.no_grad().");
}

KVANT_TORCH_SCHEMAS(m) { m.def("_no_gradient(Tensor grad, Tensor source) -> Tensor"); }

KVANT_TORCH_KERNELS(m) { m.impl("_no_gradient", TORCH_BOX(&NoGradient)); }

}  // namespace
}  // namespace kvant::binding
