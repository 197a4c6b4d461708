#include <algorithm>
#include <array>
#include <atomic>

#include "kvant/core/cuda_fault.cuh"
#include "kvant/rowwise/cuda_grid.cuh"
#include "kvant/rowwise/cuda_rows_of.cuh"

namespace kvant::cuda {
namespace {

// One on every device.
__device__ CudaFaultRecord g_faults;

struct DeviceFacts {
  std::atomic<bool> known = false;
  std::atomic<int> sms = 0, capability = 0;
  std::atomic<CudaFaultRecord*> faults = nullptr;
};

// What is known of the current device; asked for once.
Status FactsOf(const DeviceFacts** facts) {
  constexpr int kMostDevices = 64;
  static std::array<DeviceFacts, kMostDevices> all;
  int device = 0;
  KVANT_RETURN_IF_ERROR(StatusOf(cudaGetDevice(&device)));
  if (device >= kMostDevices) return Status::Unavailable("kvant: CUDA: more than 64 devices");
  DeviceFacts& f = all[static_cast<size_t>(device)];
  if (!f.known) {
    int sms = 0, major = 0, minor = 0;
    void* faults = nullptr;
    KVANT_RETURN_IF_ERROR(StatusOf(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, device)));
    KVANT_RETURN_IF_ERROR(StatusOf(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device)));
    KVANT_RETURN_IF_ERROR(StatusOf(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device)));
    KVANT_RETURN_IF_ERROR(StatusOf(cudaGetSymbolAddress(&faults, g_faults)));
    // Code for an older architecture has no clusters, whatever device runs it.
    cudaFuncAttributes code{};
    KVANT_RETURN_IF_ERROR(StatusOf(cudaFuncGetAttributes(&code, RunKernel<StatisticsKernel>)));
    f.sms = sms;
    f.capability = std::min(10 * major + minor, code.ptxVersion);
    f.faults = static_cast<CudaFaultRecord*>(faults);
    f.known = true;
  }
  *facts = &f;
  return {};
}

}  // namespace

Status OpenQueue(const Exec& exec, Queue* queue) {
  const DeviceFacts* facts = nullptr;
  KVANT_RETURN_IF_ERROR(FactsOf(&facts));
  queue->traits = {facts->sms, facts->capability};
  queue->faults = facts->faults;
  queue->workspace = exec.workspace;
  queue->workspace_bytes = exec.workspace_bytes;
  queue->deterministic = exec.deterministic;
  queue->stream = exec.stream;
  return {};
}

Status CheckErrors(CUstream_st* stream) {
  const DeviceFacts* facts = nullptr;
  KVANT_RETURN_IF_ERROR(FactsOf(&facts));
  CudaFaultRecord found;
  CudaFaultRecord* const there = facts->faults;
  KVANT_RETURN_IF_ERROR(StatusOf(cudaMemcpyAsync(&found, there, sizeof(found), cudaMemcpyDeviceToHost, stream)));
  KVANT_RETURN_IF_ERROR(StatusOf(cudaStreamSynchronize(stream)));
  if (found.ready == 0) return {};  // or it is being written, by another stream: it will be told by the next check
  const CudaFaultRecord none;
  KVANT_RETURN_IF_ERROR(StatusOf(cudaMemcpyAsync(there, &none, sizeof(none), cudaMemcpyHostToDevice, stream)));
  KVANT_RETURN_IF_ERROR(StatusOf(cudaStreamSynchronize(stream)));
  return Describe(found.op, found.fault);
}

template <>
Status LaunchRowsOf<Float16>(Queue&, CudaStep, RowVariant, const CudaRows&, const CudaShape&);
template <>
Status LaunchRowsOf<BFloat16>(Queue&, CudaStep, RowVariant, const CudaRows&, const CudaShape&);
template <>
Status LaunchRowsOf<float>(Queue&, CudaStep, RowVariant, const CudaRows&, const CudaShape&);
template <>
Status LaunchTwoRowsOf<Float16>(Queue&, RowVariant, const CudaTwoRows&, const CudaShape&);
template <>
Status LaunchTwoRowsOf<BFloat16>(Queue&, RowVariant, const CudaTwoRows&, const CudaShape&);
template <>
Status LaunchTwoRowsOf<float>(Queue&, RowVariant, const CudaTwoRows&, const CudaShape&);
template <>
Status LaunchColumnsOf<Float16>(Queue&, CudaStep, const CudaColumns&, const CudaShape&);
template <>
Status LaunchColumnsOf<BFloat16>(Queue&, CudaStep, const CudaColumns&, const CudaShape&);
template <>
Status LaunchColumnsOf<float>(Queue&, CudaStep, const CudaColumns&, const CudaShape&);

Status LaunchRows(Queue& queue, CudaStep step, RowVariant variant, const CudaRows& plan, const CudaShape& shape) {
  if (step == CudaStep::kStatistics) return Launch(queue, StatisticsKernel{plan}, shape);
  return VisitFloat(plan.x_dtype,
                    [&](auto kind) { return LaunchRowsOf<decltype(kind)>(queue, step, variant, plan, shape); });
}

Status LaunchTwoRows(Queue& queue, RowVariant variant, const CudaTwoRows& plans, const CudaShape& shape) {
  return VisitFloat(plans.of[0].x_dtype,
                    [&](auto kind) { return LaunchTwoRowsOf<decltype(kind)>(queue, variant, plans, shape); });
}

Status LaunchColumns(Queue& queue, CudaStep step, const CudaColumns& plan, const CudaShape& shape) {
  if (step == CudaStep::kColumnStatistics) return Launch(queue, ColumnStatisticsKernel{plan}, shape);
  return VisitFloat(plan.x_dtype, [&](auto kind) { return LaunchColumnsOf<decltype(kind)>(queue, step, plan, shape); });
}

Status LaunchCopy(Queue& queue, int word, const CudaElements& e, const CudaShape& shape) {
  return DispatchCopy(word, e, [&](const auto& kernel) { return Launch(queue, kernel, shape); });
}

}  // namespace kvant::cuda
