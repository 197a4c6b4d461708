// Device memory for tests and benchmarks of libkvant_cuda, without CUDA's headers.
#ifndef KVANT_TESTING_CUDA_MEMORY_H_
#define KVANT_TESTING_CUDA_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <string>

struct CUstream_st;

namespace kvant::testing {

// Whether there is a device that can be used.
bool HasCudaDevice();

// Bytes of device memory, aligned to 256 plus what an offset of `like` needs to have the same alignment. Any CUDA error
// ends the program with its text: what comes after it would be wrong.
class CudaMemory {
 public:
  CudaMemory() = default;
  explicit CudaMemory(size_t bytes, size_t shift = 0);
  ~CudaMemory();
  CudaMemory(CudaMemory&& o) noexcept { *this = static_cast<CudaMemory&&>(o); }
  CudaMemory& operator=(CudaMemory&& o) noexcept;
  CudaMemory(const CudaMemory&) = delete;
  CudaMemory& operator=(const CudaMemory&) = delete;

  char* data() const { return data_; }
  size_t size() const { return size_; }
  void Upload(const void* from);
  void Download(void* to) const;
  void Fill(int byte);

 private:
  void* owned_ = nullptr;
  char* data_ = nullptr;
  size_t size_ = 0;
};

void CudaWait();

// What a benchmark knows of the device.
struct CudaDeviceInfo {
  std::string name;
  int sms = 0;
  int64_t l2_bytes = 0;
};
CudaDeviceInfo DescribeCudaDevice();

// A stream, and the time that its work takes.
class CudaTimer {
 public:
  CudaTimer();
  ~CudaTimer();
  CudaTimer(const CudaTimer&) = delete;
  CudaTimer& operator=(const CudaTimer&) = delete;

  CUstream_st* stream() const { return stream_; }
  void Start();
  // Microseconds since Start, of work on the stream; waits.
  double Stop();
  // Microseconds of what `body` puts on the stream, captured `repeats` times into a graph: a replay's, the median of
  // some, by `repeats`; 0 if it cannot be captured.
  double GraphTime(void (*body)(void* arg, int repeat), void* arg, int repeats);
  void Copy(void* to, const void* from, size_t bytes);

 private:
  CUstream_st* stream_ = nullptr;
  void* start_ = nullptr;
  void* stop_ = nullptr;
};

}  // namespace kvant::testing

#endif  // KVANT_TESTING_CUDA_MEMORY_H_
