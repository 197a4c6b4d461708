// From the dtypes and formats of a plan to a kernel: calls launch(kernel) with the one that a step needs.
#ifndef KVANT_ROWWISE_CUDA_DISPATCH_CUH_
#define KVANT_ROWWISE_CUDA_DISPATCH_CUH_

#include "kvant/core/visit.h"
#include "kvant/rowwise/cuda_any_rows.cuh"
#include "kvant/rowwise/cuda_columns.cuh"
#include "kvant/rowwise/cuda_rows.cuh"
#include "kvant/rowwise/cuda_run.h"
#include "kvant/rowwise/cuda_two_rows.cuh"

namespace kvant::cuda {

// Calls f(constant) with std::integral_constant<Format, format>.
template <class Function>
decltype(auto) VisitFormat(Format format, Function&& f) {
  switch (format) {
#define KVANT_ROW(id, ...) \
  case Format::id:         \
    return f(std::integral_constant<Format, Format::id>{});
    KVANT_FORMAT_LIST(KVANT_ROW)
#undef KVANT_ROW
  }
  __builtin_unreachable();  // rules have refused any other
}

template <class In, Format kFormat, bool kAsymmetric, class Launch>
Status LaunchRowKernel(RowVariant variant, const CudaRows& plan, const Launch& launch) {
  const bool deep = variant == RowVariant::kDeep;
  if (plan.smooth != nullptr || plan.grouped) {
    return deep ? launch(RowKernel<In, kFormat, kAsymmetric, true, 1, kDeepVectors>(plan))
                : launch(RowKernel<In, kFormat, kAsymmetric, true, 1, 1>(plan));
  }
  if (variant == RowVariant::kShort) return launch(RowKernel<In, kFormat, kAsymmetric, false, kShortRows, 1>(plan));
  if (variant == RowVariant::kThree) {
    return launch(RowKernel<In, kFormat, kAsymmetric, false, 1, VectorsOf(RowVariant::kThree)>(plan));
  }
  return deep ? launch(RowKernel<In, kFormat, kAsymmetric, false, 1, kDeepVectors>(plan))
              : launch(RowKernel<In, kFormat, kAsymmetric, false, 1, 1>(plan));
}

template <class In, Format kFormat, bool kAsymmetric, class Launch>
Status LaunchTwoRowKernels(RowVariant variant, const CudaTwoRows& plans, const Launch& launch) {
  switch (variant) {
    case RowVariant::kShort:
      return launch(TwoKernels<RowKernel<In, kFormat, kAsymmetric, false, kShortRows, 1>>(plans));
    case RowVariant::kThree:
      return launch(TwoKernels<RowKernel<In, kFormat, kAsymmetric, false, 1, VectorsOf(RowVariant::kThree)>>(plans));
    case RowVariant::kDeep:
      return launch(TwoKernels<RowKernel<In, kFormat, kAsymmetric, false, 1, kDeepVectors>>(plans));
    default:
      return launch(TwoKernels<RowKernel<In, kFormat, kAsymmetric, false, 1, 1>>(plans));
  }
}

// Of plans whose x_dtype is that of In. Two at once are for the formats of caches.
template <class In, class Launch>
Status DispatchTwoRows(RowVariant variant, const CudaTwoRows& plans, const Launch& launch) {
  const CudaRows& p = plans.of[0];
  if (p.format == Format::kInt4) {
    return p.asymmetric ? LaunchTwoRowKernels<In, Format::kInt4, true>(variant, plans, launch)
                        : LaunchTwoRowKernels<In, Format::kInt4, false>(variant, plans, launch);
  }
  return p.asymmetric ? LaunchTwoRowKernels<In, Format::kInt8, true>(variant, plans, launch)
                      : LaunchTwoRowKernels<In, Format::kInt8, false>(variant, plans, launch);
}

// Likewise.
template <class In, class Launch>
Status DispatchRows(CudaStep step, RowVariant variant, const CudaRows& plan, const Launch& launch) {
  if (step == CudaStep::kMeasure) return launch(MeasureKernel<In>{plan});
  return VisitFormat(plan.format, [&](auto format) {
    constexpr Format kFormat = decltype(format)::value;
    if (step == CudaStep::kEncode) return launch(EncodeKernel<In, kFormat>{plan});
    return plan.asymmetric ? LaunchRowKernel<In, kFormat, true>(variant, plan, launch)
                           : LaunchRowKernel<In, kFormat, false>(variant, plan, launch);
  });
}

template <class In, class Launch>
Status DispatchColumns(CudaStep step, const CudaColumns& plan, const Launch& launch) {
  if (step == CudaStep::kMeasureColumns) return launch(MeasureColumnsKernel<In>{plan});
  return VisitFormat(plan.format,
                     [&](auto format) { return launch(EncodeColumnsKernel<In, decltype(format)::value>{plan}); });
}

}  // namespace kvant::cuda

#endif  // KVANT_ROWWISE_CUDA_DISPATCH_CUH_
