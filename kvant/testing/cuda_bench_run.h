// How kvant_cuda_bench measures a case.
#ifndef KVANT_TESTING_CUDA_BENCH_RUN_H_
#define KVANT_TESTING_CUDA_BENCH_RUN_H_

#include <algorithm>
#include <functional>
#include <vector>

#include "kvant/testing/cuda_bench.h"

namespace kvant::bench {

// Device memory for sets of buffers. What the host uploads is one pattern for each tensor; the device repeats it.
class CudaBuffers {
 public:
  CudaBuffers(testing::CudaTimer& timer, const std::vector<CudaTensor>& tensors, int64_t wanted_sets) : timer_(timer) {
    constexpr int64_t kMostMemory = int64_t{4} << 30;
    std::vector<int64_t> at;
    int64_t set_bytes = 0;
    for (const CudaTensor& t : tensors) {
      at.push_back(set_bytes);
      set_bytes += (t.bytes + 255) / 256 * 256;
    }
    const int64_t sets = std::min(std::max<int64_t>(kMostMemory / set_bytes, 1), wanted_sets);
    memory_ = testing::CudaMemory(static_cast<size_t>(sets * set_bytes));
    memory_.Fill(0x5A);
    testing::CudaWait();
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].contents) Upload(tensors[i].contents(), memory_.data() + at[i], tensors[i].bytes);
    }
    Repeat(memory_.data(), set_bytes, sets * set_bytes);
    testing::CudaWait();
    for (int64_t s = 0; s < sets; ++s) {
      std::vector<char*>& set = sets_.emplace_back();
      for (const int64_t offset : at) set.push_back(memory_.data() + s * set_bytes + offset);
    }
  }

  int sets() const { return static_cast<int>(sets_.size()); }
  const std::vector<char*>& operator[](int set) const { return sets_[static_cast<size_t>(set)]; }

 private:
  void Upload(const std::vector<uint8_t>& pattern, char* to, int64_t bytes) {
    const int64_t first = std::min(static_cast<int64_t>(pattern.size()), bytes);
    testing::CudaMemory staged(static_cast<size_t>(first));
    staged.Upload(pattern.data());
    testing::CudaWait();
    timer_.Copy(to, staged.data(), static_cast<size_t>(first));
    Repeat(to, first, bytes);
    testing::CudaWait();
  }

  // The first `have` bytes again and again, up to `bytes`.
  void Repeat(char* to, int64_t have, int64_t bytes) {
    while (have < bytes) {
      const int64_t more = std::min(have, bytes - have);
      timer_.Copy(to + have, to, static_cast<size_t>(more));
      have += more;
    }
  }

  testing::CudaTimer& timer_;
  testing::CudaMemory memory_;
  std::vector<std::vector<char*>> sets_;
};

struct CudaResult {
  const CudaCase* of;
  double micros = 0, copy = 0;  // 0: failed
  double share() const { return micros == 0 ? 0 : copy / micros; }
};

class CudaBench {
 public:
  explicit CudaBench(int64_t l2_bytes) : l2_bytes_(l2_bytes) {}

  CudaResult Run(const CudaCase& c) {
    cuda::Exec exec;
    exec.stream = timer_.stream();
    CudaResult r{&c};
    {
      const CudaBuffers buffers(timer_, c.tensors, SetsFor(c.moved));
      r.micros = Measure(c.moved, buffers.sets(), [&](int s) { return c.call(buffers[s], exec); });
      if (!cuda::CheckErrors(exec.stream).ok()) r.micros = 0;
    }
    const int64_t half = std::max<int64_t>(c.moved / 2, 1);
    const CudaBuffers buffers(timer_, {{half, {}}, {half, {}}}, SetsFor(c.moved));
    r.copy = Measure(c.moved, buffers.sets(), [&](int s) {
      timer_.Copy(buffers[s][1], buffers[s][0], static_cast<size_t>(half));
      return true;
    });
    return r;
  }

 private:
  using Call = std::function<bool(int set)>;

  // Below, calls are put into a graph: launches would take longer than the kernels.
  static constexpr int64_t kGraphBelow = kGoalBytes;

  // A call that moves less than 25 KB may find some of its bytes in the L2 cache, as it does in use.
  int64_t SetsFor(int64_t moved) const {
    constexpr int64_t kMostSets = 4096;
    return std::clamp<int64_t>(2 * l2_bytes_ / std::max<int64_t>(moved, 1) + 1, 2, kMostSets);
  }

  // Microseconds of a call on the timer's stream; 0 if one fails.
  double Measure(int64_t moved, int sets, const Call& call) {
    if (!call(0)) return 0;
    testing::CudaWait();
    return moved < kGraphBelow ? InGraph(sets, call) : ByEvents(sets, call);
  }

  // With what passes between two kernels of a graph.
  double InGraph(int sets, const Call& call) {
    struct Job {
      const Call& call;
      int sets;
      bool ok = true;
    } job{call, sets};
    const auto body = [](void* arg, int repeat) {
      Job& j = *static_cast<Job*>(arg);
      j.ok &= j.call(repeat % j.sets);
    };
    const double micros = timer_.GraphTime(body, &job, std::max(sets, 200));
    return job.ok ? micros : 0;
  }

  // The median. Each call waits behind others of its kind, so that what the host takes to launch it is not measured and
  // the L2 cache holds what a call leaves there.
  double ByEvents(int sets, const Call& call) {
    constexpr int kTimes = 40, kAhead = 6;
    std::vector<double> times;
    bool ok = true;
    int next = 0;
    for (int i = 0; i < kTimes; ++i) {
      for (int j = 0; j < kAhead; ++j) ok &= call(next++ % sets);
      timer_.Start();
      ok &= call(next++ % sets);
      times.push_back(timer_.Stop());
    }
    std::nth_element(times.begin(), times.begin() + kTimes / 2, times.end());
    return ok ? times[kTimes / 2] : 0;
  }

  int64_t l2_bytes_;
  testing::CudaTimer timer_;
};

}  // namespace kvant::bench

#endif  // KVANT_TESTING_CUDA_BENCH_RUN_H_
