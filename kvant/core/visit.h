// The one place where a run-time dtype becomes a C++ type.
#ifndef KVANT_CORE_VISIT_H_
#define KVANT_CORE_VISIT_H_

#include <cstdint>
#include <type_traits>

#include "kvant/core/dtype.h"
#include "kvant/core/half.h"

namespace kvant {

// Calls f with a value of the element type; `dtype` satisfies IsFloat.
template <class Function>
decltype(auto) VisitFloat(DType dtype, Function&& f) {
  switch (dtype) {
    case DType::kFloat16:
      return f(Float16{});
    case DType::kBFloat16:
      return f(BFloat16{});
    default:
      return f(float{});
  }
}

// The same for IsIndex types.
template <class Function>
decltype(auto) VisitIndex(DType dtype, Function&& f) {
  return dtype == DType::kInt32 ? f(int32_t{}) : f(int64_t{});
}

}  // namespace kvant

#endif  // KVANT_CORE_VISIT_H_
