#include "kvant/testing/cuda_memory.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace kvant::testing {
namespace {

void Require(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "CUDA: %s: %s\n", what, cudaGetErrorString(error));
  std::abort();
}

}  // namespace

bool HasCudaDevice() {
  int devices = 0;
  return cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0;
}

CudaMemory::CudaMemory(size_t bytes, size_t shift) : size_(bytes) {
  Require(cudaMalloc(&owned_, bytes + shift + 1), "cudaMalloc");
  data_ = static_cast<char*>(owned_) + shift;
}
CudaMemory::~CudaMemory() {
  if (owned_ != nullptr) cudaFree(owned_);
}
CudaMemory& CudaMemory::operator=(CudaMemory&& o) noexcept {
  std::swap(owned_, o.owned_);
  std::swap(data_, o.data_);
  std::swap(size_, o.size_);
  return *this;
}
void CudaMemory::Upload(const void* from) { Require(cudaMemcpy(data_, from, size_, cudaMemcpyHostToDevice), "upload"); }
void CudaMemory::Download(void* to) const { Require(cudaMemcpy(to, data_, size_, cudaMemcpyDeviceToHost), "download"); }
void CudaMemory::Fill(int byte) { Require(cudaMemset(data_, byte, size_), "cudaMemset"); }

void CudaWait() { Require(cudaDeviceSynchronize(), "a kernel"); }

CudaDeviceInfo DescribeCudaDevice() {
  int device = 0;
  cudaDeviceProp p{};
  Require(cudaGetDevice(&device), "cudaGetDevice");
  Require(cudaGetDeviceProperties(&p, device), "cudaGetDeviceProperties");
  return {p.name, p.multiProcessorCount, p.l2CacheSize};
}

CudaTimer::CudaTimer() {
  cudaEvent_t start = nullptr, stop = nullptr;
  Require(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
  Require(cudaEventCreate(&start), "cudaEventCreate");
  Require(cudaEventCreate(&stop), "cudaEventCreate");
  start_ = start;
  stop_ = stop;
}
CudaTimer::~CudaTimer() {
  cudaEventDestroy(static_cast<cudaEvent_t>(start_));
  cudaEventDestroy(static_cast<cudaEvent_t>(stop_));
  cudaStreamDestroy(stream_);
}
void CudaTimer::Start() { Require(cudaEventRecord(static_cast<cudaEvent_t>(start_), stream_), "cudaEventRecord"); }
double CudaTimer::Stop() {
  float milliseconds = 0;
  Require(cudaEventRecord(static_cast<cudaEvent_t>(stop_), stream_), "cudaEventRecord");
  Require(cudaEventSynchronize(static_cast<cudaEvent_t>(stop_)), "cudaEventSynchronize");
  Require(cudaEventElapsedTime(&milliseconds, static_cast<cudaEvent_t>(start_), static_cast<cudaEvent_t>(stop_)),
          "cudaEventElapsedTime");
  return 1000.0 * milliseconds;
}
double CudaTimer::GraphTime(void (*body)(void* arg, int repeat), void* arg, int repeats) {
  constexpr int kTimes = 5;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t instance = nullptr;
  Require(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  for (int i = 0; i < repeats; ++i) body(arg, i);
  if (cudaStreamEndCapture(stream_, &graph) != cudaSuccess ||
      cudaGraphInstantiate(&instance, graph, 0) != cudaSuccess) {
    cudaGetLastError();  // or the next call would be blamed for it
    if (graph != nullptr) cudaGraphDestroy(graph);
    return 0;
  }
  // Each replay waits behind another one, so that what the host takes to launch it is not measured.
  double times[kTimes];
  for (double& time : times) {
    Require(cudaGraphLaunch(instance, stream_), "cudaGraphLaunch");
    Start();
    Require(cudaGraphLaunch(instance, stream_), "cudaGraphLaunch");
    time = Stop();
  }
  cudaGraphExecDestroy(instance);
  cudaGraphDestroy(graph);
  std::sort(times, times + kTimes);
  return times[kTimes / 2] / repeats;
}
void CudaTimer::Copy(void* to, const void* from, size_t bytes) {
  Require(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "cudaMemcpyAsync");
}

}  // namespace kvant::testing
